import Foundation
import Synchronization

/// One line on stderr that says how far a study is; on a terminal only.
final class StudyProgress: Sendable {
  private let pending: Int
  private let start = ContinuousClock.now
  private let isShown = isatty(STDERR_FILENO) == 1

  init(pending: Int) {
    self.pending = pending
    update(over: 0)
  }

  /// - Parameter over: how many of the pending runs are over.
  func update(over: Int) {
    guard isShown, pending > 0 else { return }
    var line = "\(over) of \(pending) runs"
    if over > 0 {
      let elapsed = Double((ContinuousClock.now - start).components.seconds)
      let left = elapsed / Double(over) * Double(pending - over)
      line += ", \(Int(left.rounded(.up))) s left"
    }
    try? FileHandle.standardError.write(contentsOf: Data("\r\u{1B}[K\(line)".utf8))
  }

  /// Takes the line away.
  func end() {
    guard isShown, pending > 0 else { return }
    try? FileHandle.standardError.write(contentsOf: Data("\r\u{1B}[K".utf8))
  }
}
