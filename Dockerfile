# scmamba on an NVIDIA card, with its compiled kernels:
#
#     docker build -t scmamba .
#     docker run --gpus all -v "$PWD":/work scmamba annotate cells.h5ad --output annotated.h5ad ...
#
# Without a card the same image computes on the processor. The first stage compiles, the second
# one runs: it has no compiler and no toolkit, and no root.
ARG PYTORCH=2.6.0-cuda12.4-cudnn9

FROM pytorch/pytorch:${PYTORCH}-devel AS build
# Architectures to compile for: A100, RTX 30, RTX 40, H100
ARG TORCH_CUDA_ARCH_LIST="8.0;8.6;8.9;9.0"
ENV PIP_NO_CACHE_DIR=1 CAUSAL_CONV1D_FORCE_BUILD=FALSE MAMBA_FORCE_BUILD=FALSE
RUN pip install ninja packaging wheel "setuptools>=77"
RUN pip wheel --no-build-isolation --no-deps --wheel-dir /wheels \
    "causal-conv1d>=1.4" "mamba-ssm>=2.2.2"
COPY . /src
RUN pip wheel --no-deps --wheel-dir /wheels /src

FROM pytorch/pytorch:${PYTORCH}-runtime
ENV PIP_NO_CACHE_DIR=1 NUMBA_CACHE_DIR=/tmp/numba SCMAMBA_CACHE=/cache
RUN --mount=type=bind,from=build,source=/wheels,target=/wheels \
    pip install einops ninja transformers \
    && pip install --no-deps /wheels/causal_conv1d*.whl /wheels/mamba_ssm*.whl \
    && wheel=$(ls /wheels/scmamba-*.whl) \
    && pip install "${wheel}[distributed,hub,multiomics,sequence]"
RUN useradd --create-home scmamba && mkdir -p /cache /work && chown scmamba /cache /work
USER scmamba
WORKDIR /work
ENTRYPOINT ["scmamba"]
CMD ["info"]
