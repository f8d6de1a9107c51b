// One stream of events while the tab is looked at: opened again with growing pauses when it breaks off.

const PAUSE_MS_MIN = 1_000;
const PAUSE_MS_MAX = 30_000;
// The server says something every second; after this silence the stream is gone, whatever the browser thinks.
const SILENCE_MS_MAX = 15_000;

export function follow(url, { hello, region, lost }) {
  let source = null;
  let pause = PAUSE_MS_MIN;
  let retry = 0;
  let watchdog = 0;

  const close = () => {
    source?.close();
    source = null;
    clearTimeout(retry);
    clearTimeout(watchdog);
  };

  const fail = () => {
    close();
    lost();
    retry = setTimeout(open, pause * (0.75 + Math.random() / 2));
    pause = Math.min(pause * 2, PAUSE_MS_MAX);
  };

  const alive = () => {
    clearTimeout(watchdog);
    watchdog = setTimeout(fail, SILENCE_MS_MAX);
  };

  const open = () => {
    if (document.hidden || source) return;
    close();
    source = new EventSource(url);
    source.onerror = fail;
    source.addEventListener("hello", (event) => {
      pause = PAUSE_MS_MIN;
      alive();
      hello(JSON.parse(event.data));
    });
    source.addEventListener("region", (event) => {
      alive();
      region(JSON.parse(event.data));
    });
    alive();
  };

  document.addEventListener("visibilitychange", () => {
    if (document.hidden) return close();
    pause = PAUSE_MS_MIN;
    open();
  });
  addEventListener("pagehide", close);
  addEventListener("pageshow", open);
  open();
}
