import Foundation
import Kernel
import Testing

@testable import Scenario

/// docs/scenario.schema.json and the checker speak one language.
@Suite struct SchemaTests {
  static let url = repository.appending(path: "docs/scenario.schema.json")

  private func schema() throws -> [String: Any] {
    let object = try JSONSerialization.jsonObject(with: Data(contentsOf: Self.url))
    return try #require(object as? [String: Any])
  }

  /// The keys of an object schema, looked for in its alternatives too.
  private func keys(_ schema: Any?) -> Set<String> {
    guard let schema = schema as? [String: Any] else { return [] }
    if let properties = schema["properties"] as? [String: Any] { return Set(properties.keys) }
    let alternatives = schema["anyOf"] as? [Any] ?? []
    return alternatives.reduce(into: []) { $0.formUnion(keys($1)) }
  }

  private func words(_ schema: Any?) -> Set<String> {
    guard let schema = schema as? [String: Any] else { return [] }
    if let list = schema["enum"] as? [String] { return Set(list) }
    let alternatives = schema["anyOf"] as? [Any] ?? []
    return alternatives.reduce(into: []) { $0.formUnion(words($1)) }
  }

  /// Goal: each mapping of the language has the same keys in both.
  @Test func keysAreOneList() throws {
    let schema = try schema()
    let parts = try #require(schema["$defs"] as? [String: Any])
    let mappings: [(String, [String])] = [
      ("machine", Words.machine), ("kernel-details", Words.kernel), ("config", Words.config),
      ("cache", Words.cache), ("cpuset", Words.cpuset), ("slots", Words.slots),
      ("thread", Words.thread), ("interrupt", Words.interrupt), ("softirq", Words.softirq),
      ("arrivals", Words.arrivals), ("burst", Words.burst), ("run", Words.run),
      ("time-distribution", Words.distributions), ("size-distribution", Words.distributions),
    ]
    #expect(keys(schema) == Set(Words.top))
    for (name, words) in mappings { #expect(keys(parts[name]) == Set(words), "\(name)") }
    #expect(words(parts["cpus"]) == Set(Words.cpusets))
    #expect(words(parts["on-failure"]) == Set(Words.onFailure))
  }

  /// Goal: each step has the same keys in both, and there are no other steps.
  @Test func stepsAreOneList() throws {
    let parts = try #require(try schema()["$defs"] as? [String: Any])
    let step = try #require(parts["step"] as? [String: Any])
    #expect(words(step) == Set(Words.bareSteps))
    let alternatives = try #require(step["anyOf"] as? [[String: Any]])
    let steps = try #require(alternatives.compactMap { $0["properties"] as? [String: Any] }.first)
    #expect(Set(steps.keys) == Set(Words.steps.map(\.name)))
    for word in Words.steps where !["work", "user_work", "sleep"].contains(word.name) {
      var found = steps[word.name]
      if word.name == "choose" { found = (found as? [String: Any])?["items"] }
      #expect(keys(found) == Set(word.keys), "\(word.name)")
    }
    #expect(Set(Words.steps.map(\.name)).isDisjoint(with: Words.stepsLater))
    for name in Words.renamed.values { #expect(Words.stepNames.contains(name)) }
  }

  /// Goal: an independent validator finds the bundled scenarios good, and a bad one bad.
  @Test func bundledScenariosAreValid() throws {
    let script = """
      import json, re, sys
      try:
        import jsonschema, yaml
      except ImportError as error:
        print("skipped:", error); sys.exit(0)
      class Loader(yaml.SafeLoader): pass
      # YAML 1.2, as editors read it: `on` is a word.
      kinds = yaml.SafeLoader.yaml_implicit_resolvers.items()
      Loader.yaml_implicit_resolvers = {
        first: [pair for pair in pairs if not pair[0].endswith(":bool")] for first, pairs in kinds}
      validator = jsonschema.Draft202012Validator(json.load(open(sys.argv[1])))
      for path in sys.argv[2:]:
        for error in validator.iter_errors(yaml.load(open(path), Loader=Loader)):
          print(path, error.json_path, error.message[:200])
      bad = {"scenario": 1, "threads": [{"name": "t", "on": "all", "loop": [{"work": "5"}]}]}
      if validator.is_valid(bad): print("a time without a unit is taken")
      """
    let folder = repository.appending(path: "Scenarios/examples")
    let files = Scenarios.bundled.map { folder.appending(path: "\($0.name).yaml").path }
    let process = Process()
    process.executableURL = URL(filePath: "/usr/bin/env")
    process.arguments = ["python3", "-c", script, Self.url.path] + files
    let output = Pipe()
    process.standardOutput = output
    do { try process.run() } catch {
      print("skipped: no python3")
      return
    }
    let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    process.waitUntilExit()
    if text.hasPrefix("skipped") || process.terminationStatus == 127 {
      print(text.isEmpty ? "skipped: no python3" : text)
    } else {
      #expect(text.isEmpty, "\(text)")
    }
  }

  /// Goal: docs/SCENARIOS.md names every step, key and set of CPUs, and its example is good.
  @Test func documentIsComplete() throws {
    let url = repository.appending(path: "docs/SCENARIOS.md")
    let text = try String(contentsOf: url, encoding: .utf8)
    let top = Words.top + Words.machine + Words.run + Words.thread
    for word in Words.stepNames + Words.cpusets + Words.cacheFlags + Words.config + top {
      let short = word.split(separator: "-").last.map { "-\($0)`" } ?? ""
      #expect(text.contains(word) || text.contains(short), "\(word)")
    }
    let examples = text.split(separator: "```yaml\n").dropFirst()
      .map { String($0.prefix(upTo: $0.range(of: "```")?.lowerBound ?? $0.endIndex)) }
      .filter { $0.contains("scenario: 1") }
    #expect(!examples.isEmpty)
    for example in examples { #expect(codes(example) == []) }
  }
}
