# owl3 in a container:
#   docker build -t owl3 .
#   docker run --rm -v "$PWD:/media:ro" -v owl3:/owl3 owl3 chat photo.jpg "What is in this picture?"
# /media is where the command looks for files; /owl3 keeps models and caches.
FROM node:22-bookworm AS build
RUN apt-get update && apt-get install -y --no-install-recommends cmake ninja-build
WORKDIR /src
COPY . .
RUN npm ci && npm pack --ignore-scripts --pack-destination /packed

FROM node:22-bookworm-slim
RUN apt-get update && apt-get install -y --no-install-recommends ffmpeg && rm -rf /var/lib/apt/lists/*
COPY --from=build /packed /packed
# The system's ffmpeg serves instead of the built-in decoder, which is 62 MB.
RUN npm install --global --ignore-scripts /packed/owl3-*.tgz && \
    rm -rf /packed /root/.npm /usr/local/lib/node_modules/owl3/node_modules/@ffmpeg
COPY --from=build /src/build/Release/owl3.node /usr/local/lib/node_modules/owl3/build/Release/
ENV OWL3_HOME=/owl3/models OWL3_CACHE_DIR=/owl3/cache
RUN install -d -o node -g node /owl3
USER node
VOLUME /owl3
WORKDIR /media
ENTRYPOINT ["owl3"]
