# mfm on CPUs: `docker build -f containers/cpu.Dockerfile -t mfm-cpu .`, then `docker run mfm-cpu info`.
# LibTorch is Debian's.
FROM node:22-bookworm-slim AS base
RUN apt-get update \
 && apt-get install -y --no-install-recommends ffmpeg libopenblas0-openmp libtorch1.13 \
 && rm -rf /var/lib/apt/lists/*

FROM base AS build
RUN apt-get update \
 && apt-get install -y --no-install-recommends \
      ca-certificates cmake g++ libgloo-dev libtorch-dev make ninja-build \
 && rm -rf /var/lib/apt/lists/*
WORKDIR /mfm
COPY package.json package-lock.json ./
RUN npm ci --ignore-scripts --no-audit --no-fund
COPY . .
RUN ./mfm setup && npm run --silent build:studio && rm -rf build/native

FROM base
RUN useradd --create-home --uid 10001 mfm
COPY --from=build --chown=mfm:mfm /mfm /mfm
USER mfm
WORKDIR /home/mfm
ENTRYPOINT ["/mfm/mfm"]
CMD ["--help"]
