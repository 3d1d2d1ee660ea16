import Foundation
import Synchronization

/// Ctrl-C and its like: asked between events, so that a run ends with what it has.
enum Interruption {
  private static let isAsked = Atomic<Bool>(false)

  /// Whether the user wants the run to end.
  static var wasAsked: Bool { isAsked.load(ordering: .relaxed) }

  /// From here on SIGINT and SIGTERM are noted instead of ending the process; the second one ends
  /// it, for whoever cannot wait.
  static func watch() {
    // A handler may only touch what exists already.
    isAsked.store(false, ordering: .relaxed)
    for number in [SIGINT, SIGTERM] {
      signal(number) { _ in
        guard Interruption.isAsked.exchange(true, ordering: .relaxed) else { return }
        _exit(ExitStatus.interrupted.rawValue)
      }
    }
  }
}
