import Hardware
import Simulation

/// A kernel rule that the emulated machine broke. A result, not a crash: the run goes on as the
/// kernel would.
package struct Violation: Sendable {
  package enum Kind: String, CaseIterable, Sendable {
    case sleepingInAtomic = "sleeping-in-atomic"
    case schedulingWhileAtomic = "scheduling-while-atomic"
    case badContext = "bad-context"
    case irqsOffGFP = "irqs-off-gfp"
    case lockOrder = "lock-order"
    case selfDeadlock = "self-deadlock"
    case deadlock = "deadlock"
    case ipiIRQsOff = "ipi-irqs-off"
    case softLockup = "soft-lockup"
    case hardLockup = "hard-lockup"
    case rcuStall = "rcu-stall"
    case doubleFree = "double-free"
    case badFree = "bad-free"
    case useAfterFree = "use-after-free"
    /// An address of one kind where another is needed.
    case badAddress = "bad-address"
    case leak
    case wrongFreeFunction = "wrong-free-function"
  }
  package let kind: Kind
  /// The first line of the kernel's own message.
  package let headline: String
  package let cpu: Int
  package let time: Instant
  /// `in softirq net-rx, interrupted thread reader`.
  package let context: String
  /// The functions on the stack, outermost first.
  package let path: [String]
  /// What it is about, and what to do: the second half of the report.
  package let message: String
}

/// A line the kernel would print that breaks no rule: an allocation failure, a failed vmalloc.
package struct Warning: Sendable {
  package let cpu: Int
  package let time: Instant
  package let message: String
}

/// What the run has to say about itself. Rare, so plain arrays; counted in full, kept up to a
/// limit of each kind.
package struct Complaints: Sendable {
  /// Violations and warnings kept of each kind; the rest are only counted.
  package static let keptMax = 50

  /// Raised in the middle of a step; the machine completes them with context and path.
  struct Raised: Sendable {
    let kind: Violation.Kind?
    let message: String
  }
  var raised: [Raised] = []
  package var violations: [Violation] = []
  package var warnings: [Warning] = []
  package var violationCount = 0
  /// All of each kind, kept or not.
  package var countByKind: [Violation.Kind: Int] = [:]
  package var warningCount = 0

  /// Counts a violation, and keeps it if it is one of the first of its kind.
  mutating func add(_ violation: Violation) {
    violationCount += 1
    countByKind[violation.kind, default: 0] += 1
    guard violations.count(where: { $0.kind == violation.kind }) < Complaints.keptMax else {
      return
    }
    violations.append(violation)
  }
}
