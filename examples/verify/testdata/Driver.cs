// Calls WebhookVerifier for each case of a file; see ../verify_test.go.

using System;
using System.Collections.Specialized;
using System.IO;
using System.Linq;
using System.Net;
using System.Reflection;
using System.Text;

public static class Driver
{
    public static void Main(string[] args)
    {
        MethodInfo verify = typeof(WebhookVerifier).GetMethod("Verify");
        foreach (string line in File.ReadAllLines(args[0]))
        {
            string[] fields = line.Split('\t');
            NameValueCollection headers = new WebHeaderCollection(); // of HttpListener
            for (int i = 3; i + 1 < fields.Length; i += 2)
            {
                headers.Add(fields[i], Encoding.GetEncoding("iso-8859-1").GetString(Convert.FromBase64String(fields[i + 1])));
            }
            Func<string, string> header = name => headers[name];
            var values = new object[]
            {
                Encoding.UTF8.GetString(Convert.FromBase64String(fields[0])), header, Convert.FromBase64String(fields[1]),
                DateTimeOffset.FromUnixTimeSeconds(long.Parse(fields[2])),
            };
            try
            {
                Console.WriteLine(verify.Invoke(null, values.Take(args[1] == "clock" ? 4 : 3).ToArray()).ToString().ToLowerInvariant());
            }
            catch (TargetInvocationException e)
            {
                Console.WriteLine("error: " + e.InnerException.GetType());
            }
        }
    }
}
