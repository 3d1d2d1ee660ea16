import Foundation

/// Where figures go: one JSON object a line, or a table with the targets beside.
final class Sheet {
  let isJSON: Bool
  private let prefix: String
  private var values: [String: Double] = [:]
  private var order: [(name: String, unit: String)] = []

  init(isJSON: Bool, prefix: String) { (self.isJSON, self.prefix) = (isJSON, prefix) }

  /// Whether somebody wants a figure called `name`, or one that begins so.
  func wants(_ name: String) -> Bool { name.hasPrefix(prefix) || prefix.hasPrefix(name) }

  func begin() {
    guard !isJSON else { return }
    put(Self.left("figure", 38) + Self.right("value", 14) + "  unit")
  }

  /// - Parameter value: printed at once, so that a long sitting shows how far it is.
  func add(_ name: String, _ value: Double, _ unit: String) {
    values[name] = value
    order.append((name, unit))
    guard name.hasPrefix(prefix) else { return }
    if isJSON {
      put("{\"name\": \"\(name)\", \"value\": \(Self.exact(value)), \"unit\": \"\(unit)\"}")
    } else {
      put(Self.left(name, 38) + Self.right(Self.short(value), 14) + "  " + unit)
    }
  }

  private func put(_ line: String) {
    try? FileHandle.standardOutput.write(contentsOf: Data((line + "\n").utf8))
  }

  /// Says on stderr what could not be measured and why.
  func note(_ text: String) {
    try? FileHandle.standardError.write(contentsOf: Data("bench: \(text)\n".utf8))
  }

  /// The targets, as far as their figures were taken.
  func end() {
    guard !isJSON else { return }
    let met = Target.all.compactMap { target in target.judged(values).map { (target, $0) } }
    guard !met.isEmpty else { return }
    put("\n" + Self.left("target", 52) + Self.right("wanted", 9) + Self.right("is", 10))
    for (target, verdict) in met {
      let wanted = (target.isLeast ? ">= " : "<= ") + Self.short(target.bound)
      put(
        Self.left(target.title, 52) + Self.right(wanted, 9)
          + Self.right(Self.short(verdict.value), 10) + "  " + verdict.text)
    }
  }

  private static func exact(_ value: Double) -> String {
    value == value.rounded() && value.magnitude < 1e15 ? "\(Int64(value))" : "\(value)"
  }

  static func short(_ value: Double) -> String {
    let (scaled, unit): (Double, String) =
      switch value {
      case 1e9...: (value / 1e9, " G")
      case 1e6...: (value / 1e6, " M")
      case 1e5...: (value / 1e3, " k")
      default: (value, "")
      }
    if scaled == scaled.rounded(), scaled < 1e5 { return "\(Int(scaled))" + unit }
    return String(format: scaled < 1 ? "%.4f" : scaled < 100 ? "%.2f" : "%.1f", scaled) + unit
  }

  private static func left(_ text: String, _ width: Int) -> String {
    text + String(repeating: " ", count: max(1, width - text.count))
  }
  private static func right(_ text: String, _ width: Int) -> String {
    String(repeating: " ", count: max(1, width - text.count)) + text
  }
}

/// What a figure, or the ratio of two, must be.
struct Target {
  let title: String
  let figure: String
  var over: String?
  let bound: Double
  let isLeast: Bool

  static let all: [Target] =
    [64, 1024, 4096].map {
      Target(
        title: "engine / yardstick, \($0) slots", figure: "engine.hold.\($0).events_per_s",
        over: "yardstick.heap4.\($0).events_per_s", bound: 2, isLeast: true)
    } + [
      Target(
        title: "storm, 64 CPUs, operations/s", figure: "storm.64.operations_per_s", bound: 30e6,
        isLeast: true),
      Target(
        title: "storm, 4096 CPUs, operations/s", figure: "storm.4096.operations_per_s",
        bound: 10e6, isLeast: true),
    ]
    + [1, 64, 1024, 4096].map {
      Target(
        title: "storm, \($0) CPUs, bytes a CPU beside slabs", figure: "storm.\($0).bytes_per_cpu",
        bound: 8192, isLeast: false)
    } + [
      Target(
        title: "storm, 64 CPUs, with .pftrace over without",
        figure: "storm.64.trace_time_ratio", bound: 2.5, isLeast: false),
      Target(
        title: "kmalloc and kfree on one CPU, instructions of the host",
        figure: "pair.instructions", bound: 250, isLeast: false),
      Target(
        title: "start-up of `kmemu run kmalloc-example`, ms", figure: "startup_ms", bound: 50,
        isLeast: false),
    ]

  func judged(_ values: [String: Double]) -> (value: Double, text: String)? {
    guard var value = values[figure] else { return nil }
    if let over {
      guard let below = values[over], below > 0 else { return nil }
      value /= below
    }
    if isLeast ? value >= bound : value <= bound { return (value, "met") }
    let factor = isLeast ? bound / max(value, 1e-9) : value / bound
    return (value, "falls short by \(String(format: "%.2f", factor)) x")
  }
}
