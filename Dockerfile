# syntax=docker/dockerfile:1

# One static binary in an empty image.
#   docker build --build-arg VERSION=1.2.3 -t waybell:1.2.3 .
# deploy/image_test.sh runs what this file describes, without Docker.

ARG GO_VERSION=1.26

FROM --platform=$BUILDPLATFORM golang:${GO_VERSION}-bookworm AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN --mount=type=cache,target=/go/pkg/mod go mod download
COPY . .
ARG VERSION=dev
ARG TARGETOS TARGETARCH
RUN --mount=type=cache,target=/go/pkg/mod --mount=type=cache,target=/root/.cache/go-build \
    CGO_ENABLED=0 GOOS=$TARGETOS GOARCH=$TARGETARCH go build -trimpath -ldflags "-s -w -X main.version=$VERSION" -o /image/waybell ./cmd/waybell
# The user has a name, the data directory an owner, TLS its roots.
RUN mkdir -p /image/data /image/etc/ssl/certs \
    && cp /etc/ssl/certs/ca-certificates.crt /image/etc/ssl/certs/ \
    && echo 'waybell:x:65532:65532::/data:/waybell' > /image/etc/passwd \
    && echo 'waybell:x:65532:' > /image/etc/group \
    && chmod 0700 /image/data && chown 65532:65532 /image/data

FROM scratch
ARG VERSION=dev
LABEL org.opencontainers.image.title="Waybell" \
      org.opencontainers.image.description="Webhook delivery" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="$VERSION"
COPY --from=build /image /
USER 65532:65532
# All that is written lies below /data: the root can be read-only.
ENV WAYBELL_LISTEN=:8080 \
    WAYBELL_DATA_DIR=/data \
    WAYBELL_LOG_FORMAT=json
VOLUME /data
EXPOSE 8080
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=6s --start-period=60s --retries=3 CMD ["/waybell", "healthcheck"]
ENTRYPOINT ["/waybell"]
CMD ["serve"]
