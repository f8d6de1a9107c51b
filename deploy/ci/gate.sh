#!/bin/sh
# Asks Spark whether it is safe to deploy, for any pipeline that runs a shell: waits while nobody can tell, leaves reports
# behind, and ends with Spark's own exit code, so that the step fails unless it is safe.
#
#   deploy/ci/gate.sh && ./deploy-it
#
# 0 safe · 1 a check failed (or warned, with SPARK_GATE_STRICT=1) · 2 no data, or Spark can't be reached · 64 wrong usage
#
# SPARK                the program (default: spark)
# SPARK_URL            where Spark's web service is (default: http://127.0.0.1:3003)
# SPARK_PROFILE        the profile; by default the running Spark's
# SPARK_BY             who asks, such as the pipeline's name and run; kept with the decision
# SPARK_GATE_WAIT      how long to wait for a clear answer (default: 5m)
# SPARK_GATE_STRICT    1: a warning is a failure
# SPARK_GATE_REPORTS   where reports go (default: spark-reports): decision.json, junit.xml, summary.md
set -u

spark=${SPARK:-spark}
reports=${SPARK_GATE_REPORTS:-spark-reports}
set -- --wait "${SPARK_GATE_WAIT:-5m}"
if [ "${SPARK_GATE_STRICT:-0}" = 1 ]; then
    set -- "$@" --strict
fi

mkdir -p "$reports" || exit 64
# What is left of an earlier run would look like this one's.
rm -f "$reports/decision.json" "$reports/junit.xml" "$reports/summary.md" || exit 64
# One decision; the other reports are of the same one.
"$spark" gate "$@" --format json --report "junit=$reports/junit.xml" --report "markdown=$reports/summary.md" \
    > "$reports/decision.json"
code=$?

if [ -s "$reports/summary.md" ]; then
    cat "$reports/summary.md"
fi
case $code in
    0) echo "spark: safe to deploy" ;;
    1) echo "spark: not safe to deploy" >&2 ;;
    2) echo "spark: nobody can tell whether it is safe to deploy" >&2 ;;
    *) echo "spark: the gate was not asked ($code)" >&2 ;;
esac
exit "$code"
