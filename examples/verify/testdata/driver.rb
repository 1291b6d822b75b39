# Calls verify.rb for each case of a file; see ../verify_test.go.
require_relative "verify"

File.foreach(ARGV[0], chomp: true) do |line|
  secret, body, now, *rest = line.split("\t", -1)
  env = {} # as Rack writes names
  rest.each_slice(2) { |name, value| env["HTTP_" + name.upcase.tr("-", "_")] = value.unpack1("m0") }
  clock = ARGV[1] == "clock" ? { now: Time.at(now.to_i) } : {}
  begin
    puts verify(secret.unpack1("m0").force_encoding("UTF-8"), env, body.unpack1("m0"), **clock)
  rescue StandardError => e
    puts "error: #{e.class}"
  end
end
