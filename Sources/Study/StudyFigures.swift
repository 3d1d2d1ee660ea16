import Foundation

/// What a study reads of a run's result (`kmemu.run/1`).
package struct StudyFigures: Decodable, Sendable, Equatable {
  package struct Latency: Decodable, Sendable, Equatable {
    package var p50: Double
    package var p90: Double
    package var p99: Double
  }
  package struct Operation: Decodable, Sendable, Equatable {
    package var count: UInt64
    package var failed: UInt64
    package var throughputPerS: Double
    package var latencyNs: Latency
    enum CodingKeys: String, CodingKey {
      case count, failed
      case throughputPerS = "throughput_per_s"
      case latencyNs = "latency_ns"
    }
  }
  package struct Machine: Decodable, Sendable, Equatable {
    package var source: String
    package var cpus: Int
    package var nodes: Int
  }
  package struct Lock: Decodable, Sendable, Equatable {
    package struct Times: Decodable, Sendable, Equatable { package var total: Double }
    package var acquisitions: UInt64
    package var contended: UInt64
    package var waitNs: Times
    enum CodingKeys: String, CodingKey {
      case acquisitions, contended
      case waitNs = "wait_ns"
    }
  }
  package struct TLB: Decodable, Sendable, Equatable {
    package struct Wait: Decodable, Sendable, Equatable {
      package var mean: Double
      package var max: Double
    }
    package var shootdowns: UInt64
    package var ipisSent: UInt64
    package var waitNs: Wait
    enum CodingKeys: String, CodingKey {
      case shootdowns
      case ipisSent = "ipis_sent"
      case waitNs = "wait_ns"
    }
  }
  package struct Expectation: Decodable, Sendable, Equatable { package var held: Bool }
  package struct Violation: Decodable, Sendable, Equatable { package var kind: String }

  package var seed: UInt64
  package var title: String
  package var kernel: String
  package var costs: String
  package var machine: Machine
  package var timeNs: UInt64
  package var events: UInt64
  package var fingerprint: String
  package var ended: String
  package var operations: [String: Operation]
  package var cpuTime: [String: UInt64]
  package var counters: [String: UInt64]
  package var locks: [Lock]
  package var tlb: TLB
  package var violations: [Violation]
  package var violationCount: Int
  package var wouldReclaim: UInt64
  package var expectations: [Expectation]

  enum CodingKeys: String, CodingKey {
    case seed, title, kernel, costs, machine, events, fingerprint, ended, operations, counters
    case locks, tlb, violations, expectations
    case timeNs = "time_ns"
    case cpuTime = "cpu_time"
    case violationCount = "violation_count"
    case wouldReclaim = "would_reclaim"
  }

  /// Reads a result file. - Returns: nil if it is none.
  package static func read(_ result: Data) -> StudyFigures? {
    try? JSONDecoder().decode(StudyFigures.self, from: result)
  }

  package var expectationsFailed: Int { expectations.count { !$0.held } }

  /// Of all CPU time, the part in each category, by key without its unit: `lock_wait`.
  var cpuShares: [(name: String, share: Double)] {
    let whole = Double(cpuTime.values.reduce(0, +))
    return cpuTime.keys.sorted().map { key in
      let name = key.hasSuffix("_ns") ? String(key.dropLast(3)) : key
      return (name, whole > 0 ? Double(cpuTime[key] ?? 0) / whole : 0)
    }
  }
}
