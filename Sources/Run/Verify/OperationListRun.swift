import Hardware
import Kernel

/// Runs a list on the emulated machine and compares its answers after each operation.
struct OperationListRun {
  let list: OperationList
  let comparesAll: Bool
  private(set) var agreement: FileAgreement

  init(_ list: OperationList, machine: String, version: KernelVersion, comparesAll: Bool) {
    (self.list, self.comparesAll) = (list, comparesAll)
    agreement = FileAgreement(
      file: list.file, kind: .operations, kernel: version.name, machine: machine)
    if !list.recordsPageEvents {
      agreement.notes.append("recorded with page events off: they are not compared")
    }
  }

  /// Carries out all operations.
  mutating func run(on guest: inout EmulatedGuest) throws(RecordingError) {
    let recordsFlushes = list.recordsFlushes
    guest.areasOfBoot = areasOfBoot
    if list.asksForHugePages { guest.hangTables() }
    for operation in list.operations {
      let name = guest.openName()
      guest.beginOperation()
      var answers: [String: String]
      do throws(EmulatedGuest.Refusal) {
        answers = try guest.carryOut(operation.kind)
      } catch {
        guard error.isUnsupported else {
          throw RecordingError(
            .badOperation, file: list.file, line: operation.line,
            "op \(operation.number): \(error.message)", hint: error.hint)
        }
        refuse(operation, because: operation.text)
        return
      }
      guard guest.isAlive else {
        throw RecordingError(
          .impossible, file: list.file, line: operation.line,
          "op \(operation.number) does not come to an end on the emulated machine",
          hint: "does a vmalloc or a lock wait where nothing wakes it?")
      }
      answers.merge(guest.state()) { mine, _ in mine }
      guest.closeName(name)
      guest.use(RecorderFiles(for: operation.kind, recordsFlushes: recordsFlushes))
      guest.wait(EmulatedGuest.pause)
      if operation.kind.isDriversOwn, !guest.countsRecorder { guest.events.forget() }
      answers.merge(guest.counts()) { mine, _ in mine }
      if comparesAll { answers.merge(guest.zones()) { mine, _ in mine } }
      compare(operation, answers)
    }
  }

  /// Takes back all that was compared: the list asks for what is not emulated.
  mutating func refuse(_ operation: RecordedOperation, because what: String) {
    (agreement.groups, agreement.differences, agreement.outOfRange) = ([], [], [])
    (agreement.varying, agreement.varyingInRange) = (0, 0)
    agreement.unsupported = FileAgreement.Unsupported(line: operation.line, operation: what)
  }

  /// Areas of vm_map_ram() from before the list: what its first operation finds, whatever it is.
  private var areasOfBoot: Int {
    for figure in list.operations[0].figures where figure.key == "vmap.map_ram_areas" {
      if case .same(let value) = figure.answer { return Int(value) ?? 0 }
    }
    return 0
  }

  private mutating func compare(_ operation: RecordedOperation, _ answers: [String: String]) {
    var printed: Set<String> = []
    let isFirm = isFirm(operation)
    for figure in operation.figures {
      printed.insert(figure.key)
      let isCore = figure.isCore && (isFirm || figure.key == "result.held")
      guard isCore || comparesAll && answers[figure.key] != nil else { continue }
      let emulated = answers[figure.key] ?? absent(figure.key)
      var difference = FigureDifference(
        line: figure.line, subject: "op \(operation.number) \(operation.text)", key: figure.key,
        recorded: "", emulated: emulated)
      switch figure.answer {
      case .same(let value):
        difference.recorded = value
        agreement.compare(difference, group: Self.group(of: figure.key))
      case .byBoot(let values):
        difference.recorded = values.joined(separator: " | ")
        agreement.compareVarying(difference, isInRange: Self.isInRange(emulated, values))
      }
    }
    guard list.recordsPageEvents, isFirm else { return }
    // A count that the recording does not print was nothing there.
    for (key, count) in answers.sorted(by: { $0.key < $1.key })
    where key.hasPrefix("ev.page_") && !printed.contains(key) && count != "0" {
      agreement.compare(
        FigureDifference(
          line: operation.line, subject: "op \(operation.number) \(operation.text)", key: key,
          recorded: "0", emulated: count), group: Self.group(of: key))
    }
  }

  /// Whether all of an operation's figures follow from the list.
  private func isFirm(_ operation: RecordedOperation) -> Bool {
    guard list.guest.configuration.firm == .heldAndAfterLastFree else { return true }
    let last = list.operations.last { $0.kind.isFree }
    return operation.number > (last?.number ?? 0)
  }

  /// What an answer is that was not given: a count or a node without objects is 0.
  private func absent(_ key: String) -> String {
    if key.hasPrefix("ev.") { return "0" }
    if key.hasSuffix("_array") { return "-" }
    let isNode = key.hasPrefix("result.n") && key.dropFirst(8).allSatisfy(\.isNumber)
    return isNode ? "-" : "no answer"
  }

  /// `slab.s1.objects` → `slab`; `ev.page_alloc.o0.m0` → `ev.page_alloc`.
  static func group(of key: String) -> String {
    let parts = key.split(separator: ".")
    return parts.prefix(parts[0] == "ev" ? 2 : 1).joined(separator: ".")
  }

  /// Whether a value is one of those seen, or each of its numbers lies between those at its place:
  /// `636 N0=636` has a number at no name and one at `N0=`; a name that a boot did not print is 0.
  static func isInRange(_ value: String, _ seen: [String]) -> Bool {
    if seen.contains(value) { return true }
    guard let numbers = numbers(in: value) else { return false }
    let all = seen.compactMap { Self.numbers(in: $0) }
    guard all.count == seen.count, !all.isEmpty else { return false }
    let names = all.reduce(Set(numbers.keys)) { $0.union($1.keys) }
    return names.allSatisfy { name in
      let there = all.map { $0[name] ?? 0 }
      return (there.min()!...there.max()!).contains(numbers[name] ?? 0)
    }
  }

  /// The numbers of a figure by what stands before them; nil where a word has none.
  private static func numbers(in text: String) -> [String: Int]? {
    var numbers: [String: Int] = [:]
    for (place, word) in text.split(separator: " ").enumerated() where word != "-" {
      let name = word.prefix { $0 != "=" }
      let isNamed = name.count < word.count
      let value = isNamed ? word.dropFirst(name.count + 1) : word
      // `32(2)`: objects and slabs.
      let parts = value.split { "()".contains($0) }
      for (index, part) in parts.enumerated() {
        guard let number = Int(part) else { return nil }
        numbers["\(isNamed ? String(name) : "#\(place)").\(index)"] = number
      }
    }
    return numbers
  }
}
