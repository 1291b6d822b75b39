// Everything comes from this server: no fonts, no proxy, no telemetry, no
// assistant, and no developer toolbar.
Scalar.createApiReference('#reference', {
  url: '/openapi.json',
  withDefaultFonts: false,
  showDeveloperTools: 'never',
  telemetry: false,
  hideClientButton: true,
  persistAuth: false,
  authentication: { preferredSecurityScheme: 'key' },
  documentDownloadType: 'json',
  agent: { disabled: true },
  mcp: { disabled: true },
});
