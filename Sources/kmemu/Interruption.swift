import Foundation
import Synchronization

/// Ctrl-C and its like: asked between events, so that a run ends with what it has.
enum Interruption {
  private static let isAsked = Atomic<Bool>(false)

  /// Whether the user wants the run to end.
  static var wasAsked: Bool { isAsked.load(ordering: .relaxed) }

  /// From here on SIGINT, SIGTERM and SIGHUP are noted instead of ending the process; the second one ends
  /// it, for whoever cannot wait.
  static func watch() {
    // A handler may only touch what exists already.
    UnfinishedFiles.arm()
    isAsked.store(false, ordering: .relaxed)
    var watched = sigset_t()
    unsafe sigemptyset(&watched)
    for number in [SIGINT, SIGTERM, SIGHUP] {
      unsafe sigaddset(&watched, number)
      signal(number) { _ in
        guard Interruption.isAsked.exchange(true, ordering: .relaxed) else { return }
        UnfinishedFiles.remove()
        _exit(ExitStatus.interrupted.rawValue)
      }
    }
    // Who started us may have had them blocked, and that is inherited.
    unsafe pthread_sigmask(SIG_UNBLOCK, &watched, nil)
  }
}
