/** The files of examples/verify as they are: what the screen shows is what the tests run. A chunk of its own. */
import standardJavascript from "../../../../../examples/verify/standard/javascript/verify.mjs?raw";
import standardTypescript from "../../../../../examples/verify/standard/typescript/verify.ts?raw";
import standardPython from "../../../../../examples/verify/standard/python/verify.py?raw";
import standardPhp from "../../../../../examples/verify/standard/php/verify.php?raw";
import standardGo from "../../../../../examples/verify/standard/go/verify.go?raw";
import standardRuby from "../../../../../examples/verify/standard/ruby/verify.rb?raw";
import standardJava from "../../../../../examples/verify/standard/java/WebhookVerifier.java?raw";
import standardCsharp from "../../../../../examples/verify/standard/csharp/WebhookVerifier.cs?raw";
import standardRust from "../../../../../examples/verify/standard/rust/verify.rs?raw";
import standardCargo from "../../../../../examples/verify/standard/rust/Cargo.toml?raw";
import chatzuriJavascript from "../../../../../examples/verify/chatzuri/javascript/verify.mjs?raw";
import chatzuriTypescript from "../../../../../examples/verify/chatzuri/typescript/verify.ts?raw";
import chatzuriPython from "../../../../../examples/verify/chatzuri/python/verify.py?raw";
import chatzuriPhp from "../../../../../examples/verify/chatzuri/php/verify.php?raw";
import chatzuriGo from "../../../../../examples/verify/chatzuri/go/verify.go?raw";
import chatzuriRuby from "../../../../../examples/verify/chatzuri/ruby/verify.rb?raw";
import chatzuriJava from "../../../../../examples/verify/chatzuri/java/WebhookVerifier.java?raw";
import chatzuriCsharp from "../../../../../examples/verify/chatzuri/csharp/WebhookVerifier.cs?raw";
import chatzuriRust from "../../../../../examples/verify/chatzuri/rust/verify.rs?raw";
import chatzuriCargo from "../../../../../examples/verify/chatzuri/rust/Cargo.toml?raw";
import chatislavJavascript from "../../../../../examples/verify/chatislav/javascript/verify.mjs?raw";
import chatislavTypescript from "../../../../../examples/verify/chatislav/typescript/verify.ts?raw";
import chatislavPython from "../../../../../examples/verify/chatislav/python/verify.py?raw";
import chatislavPhp from "../../../../../examples/verify/chatislav/php/verify.php?raw";
import chatislavGo from "../../../../../examples/verify/chatislav/go/verify.go?raw";
import chatislavRuby from "../../../../../examples/verify/chatislav/ruby/verify.rb?raw";
import chatislavJava from "../../../../../examples/verify/chatislav/java/WebhookVerifier.java?raw";
import chatislavCsharp from "../../../../../examples/verify/chatislav/csharp/WebhookVerifier.cs?raw";
import chatislavRust from "../../../../../examples/verify/chatislav/rust/verify.rs?raw";
import chatislavCargo from "../../../../../examples/verify/chatislav/rust/Cargo.toml?raw";
import type { ExampleFormat, Language } from "./verification.ts";

export const sources: Readonly<Record<ExampleFormat, Readonly<Record<Language | "cargo", string>>>> = {
  standard: {
    javascript: standardJavascript,
    typescript: standardTypescript,
    python: standardPython,
    php: standardPhp,
    go: standardGo,
    ruby: standardRuby,
    java: standardJava,
    csharp: standardCsharp,
    rust: standardRust,
    cargo: standardCargo,
  },
  chatzuri: {
    javascript: chatzuriJavascript,
    typescript: chatzuriTypescript,
    python: chatzuriPython,
    php: chatzuriPhp,
    go: chatzuriGo,
    ruby: chatzuriRuby,
    java: chatzuriJava,
    csharp: chatzuriCsharp,
    rust: chatzuriRust,
    cargo: chatzuriCargo,
  },
  chatislav: {
    javascript: chatislavJavascript,
    typescript: chatislavTypescript,
    python: chatislavPython,
    php: chatislavPhp,
    go: chatislavGo,
    ruby: chatislavRuby,
    java: chatislavJava,
    csharp: chatislavCsharp,
    rust: chatislavRust,
    cargo: chatislavCargo,
  },
};
