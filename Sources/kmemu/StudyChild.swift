import Foundation
import Study
import Synchronization

/// One run of a study as a process of its own: `kmemu run … --format json`.
///
/// So a run that dies, of an error of ours or for want of memory, is one failed run and not the
/// end of the study; and what it does is what the same command does in a shell.
enum StudyChild {
  /// - Parameter arguments: of the run, without its format.
  static func run(_ arguments: [String]) -> StudyPool.Answer {
    guard let path = Bundle.main.executablePath else {
      return .failed(
        message: "cannot find the kmemu binary", status: ExitStatus.internalError.rawValue)
    }
    let process = Process()
    process.executableURL = URL(filePath: path)
    process.arguments = arguments + ["--format", "json"]
    process.standardInput = FileHandle.nullDevice
    let (output, errors) = (Pipe(), Pipe())
    (process.standardOutput, process.standardError) = (output, errors)
    do { try process.run() } catch {
      return .failed(
        message: "cannot start a run: \(Console.reason(error))",
        status: ExitStatus.internalError.rawValue)
    }
    let watch = Watch(process)
    let said = Mutex(Data())
    let group = DispatchGroup()
    DispatchQueue.global().async(group: group) {
      let data = (try? errors.fileHandleForReading.readToEnd()) ?? nil
      said.withLock { $0 = data ?? Data() }
    }
    let bytes = ((try? output.fileHandleForReading.readToEnd()) ?? nil) ?? Data()
    group.wait()
    process.waitUntilExit()
    watch.end()
    if Interruption.wasAsked { return .interrupted }
    return answer(process, bytes, String(decoding: said.withLock { $0 }, as: UTF8.self))
  }

  private static func answer(
    _ process: Process, _ bytes: Data, _ said: String
  ) -> StudyPool.Answer {
    let status = process.terminationStatus
    guard process.terminationReason == .exit else {
      return .failed(
        message: "its process was ended by signal \(status)",
        status: ExitStatus.internalError.rawValue)
    }
    switch ExitStatus(rawValue: status) {
    case .good, .expectationFailed, .ruleBroken: return .result(Array(bytes))
    default:
      let text = said.split(separator: "\n").joined(separator: "\n")
      return .failed(message: text.isEmpty ? "ended with status \(status)" : text, status: status)
    }
  }

  /// Ends the process when the user has had enough. It has its own process group, so the
  /// terminal's Ctrl-C does not reach it.
  private struct Watch {
    private let timer: any DispatchSourceTimer
    init(_ process: Process) {
      let id = process.processIdentifier
      timer = DispatchSource.makeTimerSource(queue: .global())
      timer.schedule(deadline: .now() + 0.1, repeating: 0.1)
      timer.setEventHandler { if Interruption.wasAsked { kill(id, SIGKILL) } }
      timer.resume()
    }
    func end() { timer.cancel() }
  }
}
