import Foundation
import Run

/// What to do about an error of ours: the line that makes it happen again, and status 70.
enum Replay {
  /// What the handler of a trap writes. Written once, before any run, and never freed.
  nonisolated(unsafe) private static var message = unsafe UnsafeMutableBufferPointer<UInt8>(
    start: nil, count: 0)

  /// This process's command line, ready to be pasted into a shell.
  static var commandLine: String {
    CommandLine.arguments.map(quoted).joined(separator: " ")
  }

  /// From here on a trap ends with status 70 and the line that replays it. A debug build has said by
  /// then what was wrong; a release build keeps no such texts.
  static func arm() {
    UnfinishedFiles.arm()
    let text =
      "error: this is an error of kmemu itself; please report it with what replays it:\n"
      + "  \(commandLine)\n"
    unsafe message = .allocate(capacity: text.utf8.count)
    _ = unsafe message.initialize(from: text.utf8)
    for number in [SIGILL, SIGTRAP, SIGSEGV, SIGBUS, SIGFPE, SIGABRT] {
      signal(number) { _ in
        _ = unsafe Foundation.write(STDERR_FILENO, Replay.message.baseAddress, Replay.message.count)
        UnfinishedFiles.remove()
        _exit(ExitStatus.internalError.rawValue)
      }
    }
  }

  private static func quoted(_ word: String) -> String {
    let plain = word.allSatisfy { $0.isLetter || $0.isNumber || "-_./=:,+@%".contains($0) }
    guard !plain || word.isEmpty else { return word }
    return "'" + word.replacing("'", with: "'\\''") + "'"
  }
}
