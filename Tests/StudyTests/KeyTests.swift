import Foundation
import Kernel
import Scenario
import Testing

@testable import Study

@Suite struct KeyTests {
  private func key(_ change: (inout Overrides) -> Void = { _ in }, build: String = "a") throws
    -> StudyKey
  {
    var overrides = Overrides()
    overrides.machine = "package:2 core:2 pu:1"
    change(&overrides)
    return StudyKey(of: try Scenarios.load("remote-free", overrides), build: build)
  }

  @Test func equalInputsHaveEqualKeys() throws { #expect(try key() == key()) }

  @Test func everyInputCounts() throws {
    let keys = [
      try key(), try key(build: "b"), try key { $0.machine = "package:2 core:4 pu:1" },
      try key { $0.cpus = "3" }, try key { $0.costs = "epyc-7r13" },
      try key { $0.sets = ["run.duration=777us"] }, try key { $0.sets = ["run.warmup=1us"] },
      try key { $0.sets = ["expect=[violations == 0]"] },
      try key { $0.sets = ["kernel.config.memcg=false"] },
    ]
    #expect(Set(keys).count == keys.count)
  }

  /// A study from seed 5 on finds what the fifth repeat of another one left.
  @Test func theSeedIsTheRunsOwn() throws {
    #expect(try key() == key { $0.seed = "5" })
    let key = try key()
    #expect(key.with(seed: 1) != key.with(seed: 2))
    #expect(key.with(seed: 1) == key.with(seed: 1))
  }

  /// Hashes of dictionaries and sets differ from process to process; keys must not.
  @Test func orderOfDictionariesDoesNotCount() {
    struct Holder {
      var numbers: [String: Int]
      var names: Set<String>
    }
    let many = (0..<50).map { ("k\($0)", $0) }
    let one = Holder(numbers: Dictionary(uniqueKeysWithValues: many), names: Set(many.map(\.0)))
    var other = Holder(numbers: [:], names: [])
    for (name, number) in many.reversed() {
      other.numbers[name] = number
      other.names.insert(name)
    }
    #expect(StudyKey(of: one) == StudyKey(of: other))
    other.numbers["k3"] = 4
    #expect(StudyKey(of: one) != StudyKey(of: other))
  }

  @Test func slotsOfAHandOverCount() {
    func key(_ slots: [Int]) -> StudyKey {
      StudyKey(
        of: HandOver(group: 0, slots: slots.map { SlotRef($0) }, otherwise: 0, operation: 0))
    }
    #expect(key([0, 1]) != key([1, 0]))
    #expect(key([0, 1]) == key([0, 1]))
  }

  /// The same on every host, in every process.
  @Test func theHashIsOurOwn() {
    #expect(StudyKey(ofBytes: Data("foobar".utf8)).text == "85944171f73967e8")
  }
}
