import Foundation

/// Other programs that the bench runs.
enum Child {
  /// Runs to the end. - Returns: what it printed.
  @discardableResult
  static func output(
    _ path: String, _ arguments: [String], acceptable: Set<Int32> = [0]
  ) throws -> String {
    try timed(path, arguments, acceptable: acceptable).output
  }

  /// Runs to the end. - Returns: what it printed, and its wall time until it closed its output, which
  /// is its end: `waitUntilExit` looks only every 50 ms.
  static func timed(
    _ path: String, _ arguments: [String], acceptable: Set<Int32> = [0]
  ) throws -> (output: String, time: Duration) {
    let process = Process()
    process.executableURL = URL(filePath: path)
    process.arguments = arguments
    let pipe = Pipe()
    process.standardOutput = pipe
    process.standardError = FileHandle.nullDevice
    process.standardInput = FileHandle.nullDevice
    let begin = ContinuousClock.now
    try process.run()
    let data = try pipe.fileHandleForReading.readToEnd() ?? Data()
    let time = ContinuousClock.now - begin
    process.waitUntilExit()
    guard acceptable.contains(process.terminationStatus) else {
      throw BenchError("\(path) ended with status \(process.terminationStatus)")
    }
    return (String(decoding: data, as: UTF8.self), time)
  }

  /// The path of a program, if there is one of that name.
  static func find(_ name: String) -> String? {
    let folders = ProcessInfo.processInfo.environment["PATH", default: ""].split(separator: ":")
    return folders.map { "\($0)/\(name)" }.first {
      FileManager.default.isExecutableFile(atPath: $0)
    }
  }
}

struct BenchError: Error, CustomStringConvertible {
  let description: String
  init(_ description: String) { self.description = description }
}

/// CPU time of this thread. Unit: seconds.
func cpuSeconds() -> Double {
  var time = timespec()
  unsafe clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
  return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
}

func median(_ values: [Double]) -> Double {
  let sorted = values.sorted()
  let middle = sorted.count / 2
  return sorted.count % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
}
