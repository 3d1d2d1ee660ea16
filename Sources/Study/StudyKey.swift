import Foundation
import Kernel
import Scenario

/// The name of a result: a hash of all that the run depends on, so that a result is used again
/// only where it would come out the same.
///
/// The hash walks the checked scenario by reflection, with names and types: a field added to a
/// plan is in the key from that day on, and nobody can forget it. Own arithmetic (FNV-1a); dictionaries and sets
/// count without their order, which differs from process to process.
package struct StudyKey: Sendable, Hashable {
  package let digest: UInt64
  /// 16 hexadecimal digits.
  package var text: String {
    let digits = String(digest, radix: 16)
    return String(repeating: "0", count: 16 - digits.count) + digits
  }

  /// - Parameter build: which kmemu this is; another one's results are not used.
  package init(of scenario: CheckedScenario, build: String) {
    var plan = scenario.plan
    // The seed is each run's own: a repeat and a run that begins with its seed are the same run.
    plan.settings.seed = 0
    plan.boot = Boot(
      machine: plan.boot.machine, version: plan.boot.version, cpu: plan.boot.cpu,
      costs: plan.boot.costs, config: plan.boot.config,
      platform: plan.boot.platform, seed: 0)
    var hash = Hash()
    hash.add(text: build)
    hash.add(value: plan)
    hash.add(value: scenario.expectations)
    digest = hash.state
  }

  /// The key of one run of this point.
  package func with(seed: UInt64) -> StudyKey {
    var hash = Hash(state: digest)
    hash.add(seed)
    return StudyKey(digest: hash.state)
  }

  private init(digest: UInt64) { self.digest = digest }

  /// Of a file's content.
  package init(ofBytes data: Data) {
    var state = Hash().state
    let bytes = data.span
    for place in bytes.indices { state = (state ^ UInt64(bytes[place])) &* 0x100_0000_01B3 }
    digest = state
  }

  init(of value: Any) {
    var hash = Hash()
    hash.add(value: value)
    digest = hash.state
  }

  private struct Hash {
    var state: UInt64 = 0xCBF2_9CE4_8422_2325

    mutating func add(text: String) {
      for byte in text.utf8 { state = (state ^ UInt64(byte)) &* 0x100_0000_01B3 }
      // Two texts in a row are not the same as one longer text.
      state = (state ^ 0xFF) &* 0x100_0000_01B3
    }

    mutating func add(_ number: UInt64) {
      for shift in stride(from: UInt64(0), to: 64, by: 8) {
        state = (state ^ (number >> shift & 0xFF)) &* 0x100_0000_01B3
      }
    }

    mutating func add(value: Any) {
      if addSimple(value) { return }
      let mirror = Mirror(reflecting: value)
      add(text: "\(mirror.subjectType)")
      switch mirror.displayStyle {
      case .dictionary, .set:
        for digest in mirror.children.map({ StudyKey(of: $0.value).digest }).sorted() {
          add(digest)
        }
      default:
        if mirror.children.isEmpty { add(text: "\(value)") }
        for child in mirror.children {
          add(text: child.label ?? "")
          add(value: child.value)
        }
      }
    }

    /// What is most frequent, without the detour. Returns: whether it was.
    private mutating func addSimple(_ value: Any) -> Bool {
      switch value {
      case let number as Int: add(UInt64(bitPattern: Int64(number)))
      case let number as UInt64: add(number)
      case let number as Int32: add(UInt64(bitPattern: Int64(number)))
      case let text as String: add(text: text)
      // Reflection does not look into an inline array.
      case let handOver as HandOver:
        add(UInt64(bitPattern: Int64(handOver.group)))
        add(UInt64(bitPattern: Int64(handOver.count)))
        for index in 0..<Int(handOver.count) { add(value: handOver.slots[index]) }
        add(UInt64(bitPattern: Int64(handOver.otherwise)))
        add(UInt64(bitPattern: Int64(handOver.operation)))
      default: return false
      }
      return true
    }
  }
}
