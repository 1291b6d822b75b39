# Sinatra, Rack: verify(ENV.fetch("WEBHOOK_SECRET"), request.env, request.body.read) or halt 401
# Rails: verify(ENV.fetch("WEBHOOK_SECRET"), request.env, request.raw_post) or head :unauthorized

require "openssl"

ID_HEADER = "webhook-id"
TIMESTAMP_HEADER = "webhook-timestamp"
SIGNATURE_HEADER = "webhook-signature"
TOLERANCE_SECONDS = 5 * 60

# raw_body holds the bytes as received: parsing and writing JSON again changes them.
def verify(secret, env, raw_body, now: Time.now)
  # Rack writes webhook-id as HTTP_WEBHOOK_ID, in whatever case it came.
  header = ->(name) { env["HTTP_" + name.upcase.tr("-", "_")].to_s.b }
  id = header.(ID_HEADER)
  timestamp = header.(TIMESTAMP_HEADER)
  key = secret.start_with?("whsec_") ? secret.delete_prefix("whsec_").unpack1("m") : secret
  # Anybody can sign with an empty key; a full stop separates the signed parts.
  return false if key.empty? || id.empty? || id.include?(".") || !timestamp.match?(/\A[0-9]{1,12}\z/)
  # An old request may be a recorded one that somebody sends again.
  return false if (now.to_r - timestamp.to_i).abs > TOLERANCE_SECONDS

  mac = OpenSSL::HMAC.digest("SHA256", key, "#{id}.#{timestamp}.".b + raw_body.b)
  expected = "v1," + [mac].pack("m0")
  # While a secret is replaced there are several signatures, one of which must match.
  # Other versions, such as v1a (Ed25519), never do.
  # Constant time: == would tell by its duration how many characters were right.
  header.(SIGNATURE_HEADER).split(" ").any? { |signature| OpenSSL.secure_compare(signature, expected) }
end
