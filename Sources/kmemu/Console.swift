import Foundation

/// stdout is data, stderr is talk. All output of the executable passes here.
///
/// A reader that closes the pipe (`kmemu … | head`) wants no more: the rest is dropped quietly and
/// the exit status stays that of the result. Any other failure to write ends with status 74.
enum Console {
  /// Writes data. It ends as it is given: `text` brings its own last newline.
  ///
  /// - Throws: an exit with status 74, after saying why, when the disk is full or so.
  static func write(_ text: String) throws {
    do {
      try FileHandle.standardOutput.write(contentsOf: Data(text.utf8))
    } catch {
      if isBrokenPipe(error) { return }
      throw failure("cannot write to standard output: \(reason(error))", .inputOutput)
    }
  }

  /// Says a line on stderr. Where even that fails, nobody is listening.
  static func say(_ line: String) {
    try? FileHandle.standardError.write(contentsOf: Data((line + "\n").utf8))
  }

  /// Says `error[CODE]: message` with the hint below it, and gives the exit to throw.
  static func failure(
    code: String? = nil, _ message: String, hint: String? = nil, _ status: ExitStatus
  ) -> any Error {
    let label = code.map { "error[\($0)]" } ?? "error"
    say("\(paint(label, .red)): \(message)")
    if let hint { say("  \(paint("hint", .bold)): \(hint)") }
    return status.thrown
  }

  enum Style: String {
    case red = "31"
    case bold = "1"
  }

  /// The text as it goes to a terminal, or unchanged where stderr is none or NO_COLOR is set.
  private static func paint(_ text: String, _ style: Style) -> String {
    isColored(STDERR_FILENO) ? "\u{1B}[\(style.rawValue)m\(text)\u{1B}[0m" : text
  }

  /// Whether colour may be used on a descriptor: a terminal, and nobody said no.
  /// The rule of https://no-color.org: any NO_COLOR that is not empty.
  static func isColored(_ descriptor: Int32) -> Bool {
    let environment = ProcessInfo.processInfo.environment
    guard environment["NO_COLOR", default: ""].isEmpty, environment["TERM"] != "dumb" else {
      return false
    }
    return isatty(descriptor) == 1
  }

  /// Lets a write to a closed pipe, or past the limit of a file's size, fail with an error instead
  /// of ending the process.
  static func ignoreBrokenPipes() {
    signal(SIGPIPE, SIG_IGN)
    signal(SIGXFSZ, SIG_IGN)
  }

  private static func isBrokenPipe(_ error: any Error) -> Bool {
    code(error) == Int(EPIPE)
  }

  /// What the system said, without the framework's wrapping where there is one.
  static func reason(_ error: any Error) -> String {
    let error = error as NSError
    let inner = error.userInfo[NSUnderlyingErrorKey] as? NSError
    let text = (inner ?? error).localizedDescription
    let wrapping = "The operation could not be completed. "
    return text.hasPrefix(wrapping) ? String(text.dropFirst(wrapping.count)) : text
  }

  private static func code(_ error: any Error) -> Int {
    let error = error as NSError
    let inner = error.userInfo[NSUnderlyingErrorKey] as? NSError
    return (inner ?? error).code
  }
}
