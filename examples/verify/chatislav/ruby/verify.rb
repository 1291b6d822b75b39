# Sinatra, Rack: verify(ENV.fetch("WEBHOOK_SECRET"), request.env, request.body.read) or halt 401
# Rails: verify(ENV.fetch("WEBHOOK_SECRET"), request.env, request.raw_post) or head :unauthorized

require "openssl"

SIGNATURE_HEADER = "x-chatislav-signature"

# raw_body holds the bytes as received: parsing and writing JSON again changes them.
def verify(secret, env, raw_body)
  return false if secret.empty? # anybody can sign with an empty key

  # The key is the whole secret, whsec_ included, as UTF-8.
  expected = OpenSSL::HMAC.hexdigest("SHA256", secret, raw_body)
  # Rack writes X-My-Header as HTTP_X_MY_HEADER, in whatever case it came.
  received = env["HTTP_" + SIGNATURE_HEADER.upcase.tr("-", "_")].to_s
  # Constant time: == would tell by its duration how many characters were right.
  OpenSSL.secure_compare(received, expected)
end
