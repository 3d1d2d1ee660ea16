import Foundation
import Simulation
import Testing

@testable import Scenario

/// Whatever a file holds, the checker answers with errors or a scenario, and soon.
@Suite struct BadInputTests {
  private func expectError(_ bytes: [UInt8], _ code: String) {
    guard case .failure(let error) = check(bytes) else {
      Issue.record("taken")
      return
    }
    #expect(error.diagnostics.contains { $0.code == code }, "\(error.rendered().prefix(400))")
    #expect(!error.isMissing)
  }

  @Test func refusesWhatIsNoText() {
    expectError([], "S129")
    expectError([0], "S102")
    expectError([0xFF, 0xFE, 0x73, 0], "S102")
    expectError([0xFE, 0xFF, 0, 0x73], "S102")
    expectError([0x73, 0xC3, 0x28], "S102")
    expectError(Array("scenario: 1\u{1}".utf8), "S102")
    expectError(Array(repeating: 0x61, count: 10_000_000), "S103")
    expectError(Array("%PDF-1.4".utf8), "S105")
  }

  @Test func takesAByteOrderMark() {
    #expect((try? check([0xEF, 0xBB, 0xBF] + Array(steps("[work: 1ns]").utf8)).get()) != nil)
    #expect((try? check(steps("[work: 1ns]").replacing("\n", with: "\r\n")).get()) != nil)
  }

  @Test func refusesDeepNesting() {
    for (open, close) in [("[", "]"), ("{a: ", "}"), ("- ", ""), ("? ", "")] {
      let deep =
        String(repeating: open, count: 20_000) + "1" + String(repeating: close, count: 20_000)
      expectError(Array(deep.utf8), "S108")
      expectError(
        Array("scenario: 1\nthreads: \(deep)".utf8), open == "? " || open == "- " ? "S105" : "S108")
    }
    var ladder = ""
    for depth in 0..<190 { ladder += String(repeating: " ", count: depth) + "a:\n" }
    expectError(Array(ladder.utf8), "S108")
  }

  /// Ten aliases of ten aliases of ten …: more nodes than any memory holds.
  @Test func refusesAliasBombs() {
    var bomb = "a0: &a0 x\n"
    for level in 1..<30 {
      let list = Array(repeating: "*a\(level - 1)", count: 10).joined(separator: ", ")
      bomb += "a\(level): &a\(level) [\(list)]\n"
    }
    expectError(Array(bomb.utf8), "S107")
    expectError(Array((bomb + "? *a29\n: 1\n").utf8), "S107")
  }

  @Test func findsKeysThatStandTwice() {
    let text = "scenario: 1\nthreads:\n  - name: t\n    on: all\n    name: u\n    steps: []\n"
    guard case .failure(let error) = check(text) else { return }
    #expect(error.diagnostics.map(\.code) == ["S106"])
    #expect(error.diagnostics[0].span?.line == 5)
    #expect(error.diagnostics[0].span?.column == 5)
  }

  @Test func filesThatCannotBeRead() {
    for name in ["/no/such/file.yaml", "/", "", "kmalloc-strom", "/root/\u{0}x"] {
      do {
        _ = try Scenarios.load(name)
        Issue.record("\(name) was read")
      } catch {
        #expect(error.isMissing)
        if name == "kmalloc-strom" {
          #expect(error.rendered().contains("did you mean `kmalloc-storm`?"))
        }
      }
    }
  }

  /// Goal: includes merge, the file wins, and a circle is an error.
  @Test func includes() throws {
    let folder = FileManager.default.temporaryDirectory.appending(
      path: "kmemu-include-\(ProcessInfo.processInfo.processIdentifier)")
    try FileManager.default.createDirectory(
      at: folder.appending(path: "sub"), withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    func write(_ name: String, _ text: String) throws {
      try Data(text.utf8).write(to: folder.appending(path: name))
    }
    try write("sub/a.yaml", "include: b.yaml\ntitle: a\nrun: {seed: 1, duration: 1ms}")
    try write("sub/b.yaml", "title: b\nkernel: \"6.12\"\nrun: {seed: 2, warmup: 3ms}")
    try write("main.yaml", steps("[work: 1ns]", more: "include: [sub/a.yaml]\nrun: {seed: 9}"))
    let plan = try Scenarios.load(folder.appending(path: "main.yaml").path).plan
    #expect(plan.name == "main")
    #expect(plan.title == "a")
    #expect(plan.settings.seed == 9)
    #expect(plan.settings.warmup == .nanoseconds(3_000_000))
    try write("sub/b.yaml", "include: [../main.yaml]")
    do {
      _ = try Scenarios.load(folder.appending(path: "main.yaml").path)
      Issue.record("a circle was taken")
    } catch {
      #expect(error.diagnostics.allSatisfy { $0.code == "S121" })
      #expect(!error.diagnostics.isEmpty)
    }
  }

  /// Goal: any bytes give errors or a scenario. Method: bundled scenarios with bytes changed, lines
  /// moved, words exchanged between them, many times over.
  @Test(arguments: Array(0..<16) as [UInt64])
  func randomChangesNeverTrap(seed: UInt64) {
    var random = RandomStream(seed: seed, name: "scenario changes", index: 0)
    let texts = Scenarios.bundled.map { Array($0.text.utf8) }
    let words = texts.flatMap { $0.split(separator: UInt8(ascii: " ")).map(Array.init) }
    let odd = Array("{}[]:,-&*!|>'\"%@`#?$\n\t .0~\u{0}\u{7F}é".utf8)
    for _ in 0..<150 {
      var bytes = texts[random.below(texts.count)]
      for _ in 0...random.below(6) where bytes.count > 2 {
        let place = random.below(bytes.count)
        switch random.below(8) {
        case 0: bytes[place] = UInt8(random.below(256))
        case 1: bytes[place] = odd[random.below(odd.count)]
        case 2: bytes.insert(odd[random.below(odd.count)], at: place)
        case 3: bytes.remove(at: place)
        case 4: bytes.removeSubrange(place..<min(bytes.count, place + random.below(40)))
        case 5: bytes.insert(contentsOf: words[random.below(words.count)], at: place)
        case 6: moveLine(&bytes, &random)
        default: bytes.removeSubrange(place...)
        }
      }
      if case .failure(let error) = check(bytes) {
        #expect(!error.diagnostics.isEmpty)
        #expect(!error.rendered().isEmpty)
      }
    }
  }

  /// Takes a line out and puts it, or a copy with another indent, elsewhere.
  private func moveLine(_ bytes: inout [UInt8], _ random: inout RandomStream) {
    var lines = bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
      .map(Array.init)
    let from = random.below(lines.count)
    var line = lines[from]
    if random.below(2) == 0 { lines.remove(at: from) }
    if random.below(2) == 0 { line = Array("  ".utf8) + line }
    lines.insert(line, at: random.below(lines.count + 1))
    bytes = Array(lines.joined(separator: [UInt8(ascii: "\n")]))
  }
}
