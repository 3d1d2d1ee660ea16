import Kernel

/// Reads a list. Every line is a comment, an operation, a figure or empty; anything else is an
/// error with its line.
extension OperationList {
  package init(parsing text: String, file: String) throws(RecordingError) {
    var comments: [(line: Int, text: Substring)] = []
    var operations: [RecordedOperation] = []
    for (number, line) in TextLines(text: text) {
      if line.isEmpty { continue }
      if line.hasPrefix("#") {
        comments.append((number, line.dropFirst()))
      } else if line.hasPrefix("op ") {
        guard operations.count < RecordingLimits.operationsMax else {
          throw RecordingError(
            .badList, file: file, line: number,
            "more than \(RecordingLimits.operationsMax) operations", hint: "split the list")
        }
        operations.append(try RecordedOperation(parsing: line, file: file, line: number))
      } else if line.hasPrefix(" = ") || line.hasPrefix(" ~ ") {
        guard !operations.isEmpty else {
          throw RecordingError(
            .badList, file: file, line: number, "a figure before the first operation",
            hint: "figures stand below the operation that they answer")
        }
        let figure = try RecordedFigure(parsing: line, file: file, line: number)
        operations[operations.count - 1].figures.append(figure)
      } else {
        throw RecordingError(
          .badList, file: file, line: number,
          "`\(line.prefix(40))` is neither comment, operation nor figure",
          hint: "lines begin with `#`, `op `, ` = ` or ` ~ `")
      }
    }
    guard !operations.isEmpty else {
      throw RecordingError(
        .badList, file: file, "no operation in the whole file",
        hint: "an operation list has lines like `op 1 cache cache=s1 size=64`")
    }
    guest = try OperationList.guest(comments, file)
    name = OperationList.name(comments.first?.text) ?? file
    self.file = file
    recordsPageEvents = operations.contains { $0.figures.contains { $0.key.hasPrefix("ev.") } }
    self.operations = operations
  }

  private static func name(_ comment: Substring?) -> String? {
    guard let words = comment?.split(separator: " "), let first = words.first, first.last == ":"
    else { return nil }
    return String(first.dropLast())
  }

  /// Reads the comment that begins with `kernel`.
  private static func guest(
    _ comments: [(line: Int, text: Substring)], _ file: String
  ) throws(RecordingError) -> RecordedGuest {
    for comment in comments {
      let body = comment.text.drop { $0 == " " }
      guard body.hasPrefix("kernel ") else { continue }
      if let guest = RecordedGuest(parsing: body) { return guest }
      throw RecordingError(
        .badList, file: file, line: comment.line, "no machine in `\(body.prefix(60))`",
        hint: "expected: kernel 6.12.117 …; 8 CPUs, 2 nodes (CPUs 0-3, 4-7), 3 GiB; 3 boots; …")
    }
    throw RecordingError(
      .badList, file: file, "no comment says on which kernel and machine it was recorded",
      hint: "expected a line: # kernel 6.12.117 …; 8 CPUs, 2 nodes (CPUs 0-3, 4-7), 3 GiB; …")
  }
}

extension RecordedGuest {
  /// `kernel 6.12.117 …; 8 CPUs, 2 nodes (CPUs 0-3, 4-7), 3 GiB; …`, or `4 nodes (4 CPUs each)`.
  init?(parsing text: Substring) {
    let parts = text.split(separator: ";")
    guard parts.count >= 2 else { return nil }
    let release = parts[0].split(separator: " ")
    guard release.count >= 2, release[0] == "kernel", KernelNumber(release[1]) != nil else {
      return nil
    }
    kernel = String(release[1])
    configuration = RecordedConfiguration(header: parts[0])
    let words = parts[1].split { " ,()".contains($0) }
    func number(before unit: String) -> Int? {
      guard let place = words.firstIndex(where: { $0 == unit || $0 == unit + "s" }), place > 0
      else { return nil }
      return Int(words[place - 1])
    }
    guard let cpus = number(before: "CPU"), (1...4096).contains(cpus),
      let nodeCount = number(before: "node"), (1...256).contains(nodeCount), nodeCount <= cpus,
      let gibibytes = number(before: "GiB"), (1...4096).contains(gibibytes)
    else { return nil }
    (cpuCount, memory) = (cpus, UInt64(gibibytes) << 30)
    let ranges = words.compactMap { CPURange.parse($0) }.filter { _ in text.contains("CPUs ") }
    if ranges.count == nodeCount, ranges.flatMap({ $0 }).sorted() == Array(0..<cpus) {
      nodes = ranges
    } else {
      guard cpus % nodeCount == 0 else { return nil }
      nodes = (0..<nodeCount).map { node in
        Array(node * cpus / nodeCount..<(node + 1) * cpus / nodeCount)
      }
    }
  }
}

/// `0-3` or `0-3,8`: CPUs as the kernel lists them.
enum CPURange {
  /// Returns: the CPUs, or nil where it is no list. A single number is none here.
  static func parse(_ text: Substring) -> [Int]? {
    guard text.contains("-") else { return nil }
    return list(text)
  }

  static func list(_ text: Substring) -> [Int]? {
    var all: [Int] = []
    for part in text.split(separator: ",", omittingEmptySubsequences: false) {
      let ends = part.split(separator: "-", omittingEmptySubsequences: false)
      guard let first = ends.first.flatMap({ Int($0) }), ends.count <= 2,
        let last = ends.last.flatMap({ Int($0) }), first >= 0, first <= last, last < 4096
      else { return nil }
      all += Array(first...last)
    }
    return all
  }
}

extension RecordedFigure {
  /// ` = key value` or ` ~ key a | b | c`.
  init(parsing line: Substring, file: String, line number: Int) throws(RecordingError) {
    let body = line.dropFirst(3)
    let key = body.prefix { $0 != " " }
    let value = body.dropFirst(key.count + 1)
    guard !key.isEmpty else {
      throw RecordingError(
        .badList, file: file, line: number, "a figure without a name",
        hint: "expected ` = key value`")
    }
    self.line = number
    self.key = String(key)
    if line.hasPrefix(" = ") {
      answer = .same(String(value))
    } else {
      let values = value.split(separator: "|", omittingEmptySubsequences: false)
      answer = .byBoot(values.map { RecordedFigure.trimmed($0) })
    }
  }

  private static func trimmed(_ text: Substring) -> String {
    let front = text.drop { $0 == " " }
    return String(front.prefix(front.count - front.reversed().prefix { $0 == " " }.count))
  }
}
