# Spark's image: one binary, one user without rights, nothing else.
#
#   docker build -t localhost/spark .                      compile it here (needs the network)
#   docker build -t localhost/spark --target prebuilt \
#     -f Dockerfile FOLDER                                 take what is in FOLDER: `spark`, an x86-64 or arm64 Linux
#                                                          binary, and `ca-certificates.crt` (needs no network)
#
# The compiling stage stands after `prebuilt`, so that an engine without BuildKit never asks for its image in vain.

ARG DEBIAN_IMAGE=debian:bookworm-slim
ARG RUST_VERSION=1.95.0

FROM ${DEBIAN_IMAGE} AS runtime
# The data directory belongs to the user, so that a named volume mounted on it does too. The numbers are fixed: files
# in a volume keep their owner when the image changes.
RUN groupadd --gid 10001 spark \
 && useradd --uid 10001 --gid spark --no-create-home --home-dir /var/lib/spark --shell /usr/sbin/nologin spark \
 && install --directory --owner=spark --group=spark --mode=0750 /var/lib/spark
ENV SPARK_DATA=/var/lib/spark
WORKDIR /var/lib/spark
USER 10001:10001
# 3003 pages and API, 4001 stand-in executor, 4002 aggregator, 4003 probe.
EXPOSE 3003 4001 4002 4003
ENTRYPOINT ["spark"]

FROM runtime AS prebuilt
COPY ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY spark /usr/local/bin/spark

FROM rust:${RUST_VERSION}-slim-bookworm AS build
ARG RUST_VERSION
# The compiler that is in the image: rust-toolchain.toml would have rustup fetch formatter and linter too.
ENV RUSTUP_TOOLCHAIN=${RUST_VERSION}
WORKDIR /src
COPY . .
RUN cargo build --release --locked --package spark

FROM runtime AS spark
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build /src/target/release/spark /usr/local/bin/spark
