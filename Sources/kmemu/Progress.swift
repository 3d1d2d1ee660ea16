import Foundation
import Simulation

/// One line on stderr that says how far a run is; on a terminal only.
struct Progress: ~Copyable {
  /// Between two looks of the line. Unit: seconds.
  private static let interval = 0.2

  private let isShown: Bool
  private let name: String
  private let start: ContinuousClock.Instant
  private var lastShown = 0.0
  private var hasLine = false

  init(_ name: String) {
    isShown = isatty(STDERR_FILENO) == 1 && ProcessInfo.processInfo.environment["TERM"] != "dumb"
    (self.name, start) = (name, ContinuousClock.now)
  }

  /// - Parameter done: how much of the run is over, from 0 to 1; nil where nobody can know.
  mutating func update(events: UInt64, done: Double?) {
    guard isShown else { return }
    let (seconds, attoseconds) = (ContinuousClock.now - start).components
    let elapsed = Double(seconds) + Double(attoseconds) / 1e18
    guard elapsed - lastShown >= Self.interval else { return }
    lastShown = elapsed
    var line = "\(name): \(Self.millions(events)) M events"
    line += ", \(Self.millions(UInt64(Double(events) / elapsed))) M/s"
    if let done, done > 0.001 {
      line = "\(Int(done * 100)) %  " + line
      line += ", \(Int((elapsed / done * (1 - done)).rounded(.up))) s left"
    }
    show(line)
  }

  private mutating func show(_ line: String) {
    try? FileHandle.standardError.write(contentsOf: Data("\r\u{1B}[K\(line.prefix(78))".utf8))
    hasLine = true
  }

  /// Takes the line away.
  mutating func end() {
    guard hasLine else { return }
    try? FileHandle.standardError.write(contentsOf: Data("\r\u{1B}[K".utf8))
    hasLine = false
  }

  private static func millions(_ count: UInt64) -> String {
    "\(count / 1_000_000).\(count / 100_000 % 10)"
  }
}
