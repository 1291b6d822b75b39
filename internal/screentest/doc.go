// Package screentest walks through the screens as people do: a real browser
// against the real server. It has tests only:
//
//	go test ./internal/screentest                              # all journeys
//	go test ./internal/screentest -run Journeys/repair -v      # one file of them
//	go test ./internal/screentest -run Journeys/pages -screenshots DIR
//	TEST_STORE=postgres go test ./internal/screentest          # on PostgreSQL
//	go test ./internal/screentest -artifacts -outputdir DIR   # keeps a picture of each screen where a journey failed
//
// Each file journeys/*.test.mjs is a program for Node.js that starts its own
// server (the binary is built once), its own Chromium and its own receivers,
// and uses only what a person sees: roles, labels and visible words. What they
// share is in support:
//
//   - suite.mjs ties them together, and holds every page to the same rules: no
//     error or warning in the console, no exception, no violation of the
//     Content-Security-Policy, no request to an origin that is not the test's.
//   - server.mjs runs the binary on the store of internal/teststore, api.mjs
//     calls its API.
//   - receiver.mjs is the customer's side: it answers as it is told, hangs, and
//     remembers every request.
//   - hostpage.mjs is a platform's own page, of another origin and with a strict
//     policy, that embeds the portal; proxy.mjs serves everything below a path.
//   - read.mjs waits for words, and knows where the keyboard is.
//   - seed.mjs fills a server by publishing to it.
//   - survey.mjs looks at a page in both themes and all widths: axe-core's rules,
//     nothing that scrolls sideways, and a picture where one is wanted.
//
// Nothing sleeps: a test waits for a condition, and fails when it does not come
// about. A missing browser is a failure that names `make setup`.
package screentest
