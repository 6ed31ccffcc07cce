# mfm on NVIDIA GPUs: `docker build -f containers/cuda.Dockerfile -t mfm .`, then `docker run --gpus all mfm info`.
# LibTorch with CUDA and NCCL is PyTorch's from PyPI; the driver is the host's, by the NVIDIA Container Toolkit.
ARG CUDA=12.8.1
FROM nvidia/cuda:${CUDA}-base-ubuntu24.04 AS base
ENV DEBIAN_FRONTEND=noninteractive
RUN apt-get update \
 && apt-get install -y --no-install-recommends ca-certificates curl ffmpeg python3 python3-venv xz-utils \
 && rm -rf /var/lib/apt/lists/*
ARG NODE=22.21.0
RUN curl -fsSL https://nodejs.org/dist/v${NODE}/node-v${NODE}-linux-x64.tar.xz \
  | tar -xJ -C /usr/local --strip-components=1
ARG TORCH=2.9.1
RUN python3 -m venv /opt/torch && /opt/torch/bin/pip install --no-cache-dir torch==${TORCH}
ENV PATH=/opt/torch/bin:$PATH

FROM base AS build
RUN apt-get update \
 && apt-get install -y --no-install-recommends cmake g++ make ninja-build \
 && rm -rf /var/lib/apt/lists/*
WORKDIR /mfm
COPY package.json package-lock.json ./
RUN npm ci --ignore-scripts --no-audit --no-fund
COPY . .
RUN LIBTORCH=$(python3 -c 'import os, torch; print(os.path.dirname(torch.__file__))') ./mfm setup \
 && npm run --silent build:studio \
 && rm -rf build/native

FROM base
RUN useradd --create-home --uid 10001 mfm
COPY --from=build --chown=mfm:mfm /mfm /mfm
USER mfm
WORKDIR /home/mfm
ENTRYPOINT ["/mfm/mfm"]
CMD ["--help"]
