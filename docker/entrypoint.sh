#!/bin/sh
# `docker run IMAGE serve` is how SageMaker starts a container. Anything else is a handler for the
# entrypoint of Lambda's base image.
if [ "$1" = serve ]; then
  export PYTHONPATH=/var/runtime # boto3
  exec python -c "from inference.api.server import serve; serve()"
fi
exec /lambda-entrypoint.sh "$@"
