import Hardware
import Kernel

/// Compares slab_params.csv: how a kernel sized its caches, from what they were created with.
///
/// In go the object's size, the alignment and three flags, and for some names what `KnownCache` says
/// they ask for; out come size, order, objects a slab, and the limits of partial lists and sheaves.
package enum CacheParameters {
  /// The columns that are answers, in the order they are compared.
  private static let answers = [
    "align", "slab_size", "order", "objs_per_slab", "cpu_partial", "min_partial",
  ]
  /// Columns that only some releases have: compared where they are filled.
  private static let optionalAnswers = ["sheaf_capacity"]
  private static let questions = [
    "name", "object_size", "hwcache_align", "destroy_by_rcu", "ctor",
  ]

  package static func compare(
    _ text: String, file: String, machine: RecordedMachine, version: KernelVersion
  ) throws(RecordingError) -> FileAgreement {
    var agreement = FileAgreement(
      file: file, kind: .caches, kernel: version.name, machine: machine.text)
    var columns: [Substring: Int] = [:]
    var width = 0
    for (number, line) in TextLines(text: text) where !line.isEmpty && !line.hasPrefix("#") {
      let cells = line.split(separator: ",", omittingEmptySubsequences: false)
      if columns.isEmpty {
        for (place, name) in cells.enumerated() { columns[name] = place }
        width = cells.count
        for name in questions + answers where columns[name[...]] == nil {
          throw RecordingError(
            .badParameters, file: file, line: number, "there is no column \(name)",
            hint: "expected name,object_size,slab_size,objs_per_slab,order,…")
        }
        continue
      }
      guard cells.count == width else {
        throw RecordingError(
          .badParameters, file: file, line: number,
          "\(cells.count) cells where the header has \(width)", hint: "correct the row")
      }
      let row = Row(cells: cells, columns: columns, file: file, line: number)
      try compare(row, machine, version, &agreement)
    }
    guard agreement.figures > 0 else {
      throw RecordingError(
        .badParameters, file: file, "no cache in the whole file",
        hint: "expected a line of column names and a row for each cache")
    }
    return agreement
  }

  private static func compare(
    _ row: Row, _ machine: RecordedMachine, _ version: KernelVersion,
    _ agreement: inout FileAgreement
  ) throws(RecordingError) {
    let (objectSize, requested) = (try row.number("object_size"), try row.number("align"))
    var flags: SlabFlags = []
    if row["hwcache_align"] == "1" { flags.insert(.hwCacheAlign) }
    if row["destroy_by_rcu"] == "1" { flags.insert(.typesafeByRCU) }
    if !row["ctor"].isEmpty { flags.insert(.constructor) }
    let known = KnownCache.named(row["name"], in: version.name)
    if let known { flags.formUnion(known.flags) }
    let line = Architecture.x86_64.cacheLineSize
    let sizing = SlabSizing(
      objectSize: objectSize,
      align: SlabSizing.alignment(
        requested: requested, objectSize: objectSize, flags: flags, cacheLine: line),
      flags: flags, sheaf: known?.sheaf ?? 0, cpuCount: machine.cpuCount, rules: version.slab)
    for answer in answers + optionalAnswers where !row[answer].isEmpty {
      let emulated = sizing.map { String(value(of: answer, $0)) } ?? "no such cache"
      agreement.compare(
        FigureDifference(
          line: row.line, subject: row["name"], key: answer, recorded: row[answer],
          emulated: emulated), group: answer)
    }
  }

  private static func value(of answer: String, _ sizing: SlabSizing) -> Int {
    switch answer {
    case "align": sizing.align
    case "slab_size": sizing.size
    case "order": sizing.order.index
    case "objs_per_slab": sizing.objects
    case "cpu_partial": sizing.cpuPartial
    case "sheaf_capacity": sizing.sheafCapacity
    default: sizing.minPartial
    }
  }

  private struct Row {
    let cells: [Substring]
    let columns: [Substring: Int]
    let file: String
    let line: Int
    subscript(name: String) -> String { columns[name[...]].map { String(cells[$0]) } ?? "" }

    func number(_ name: String) throws(RecordingError) -> Int {
      guard let number = Int(self[name]), (0...1 << 30).contains(number) else {
        throw RecordingError(
          .badParameters, file: file, line: line, "\(name) is `\(self[name].prefix(20))`",
          hint: "expected a number of bytes")
      }
      return number
    }
  }
}
