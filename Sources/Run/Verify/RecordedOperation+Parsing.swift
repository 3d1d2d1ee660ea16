import Kernel

/// Reads one operation: `op 5 free cpu=2 set=a order=stride from=124 stride=32 n=2`.
extension RecordedOperation {
  init(parsing line: Substring, file: String, line place: Int) throws(RecordingError) {
    let words = line.split(separator: " ")
    guard words.count >= 3, let number = Int(words[1]) else {
      throw RecordingError(
        .badList, file: file, line: place, "an operation without a number or a name",
        hint: "expected `op NUMBER NAME field=value …`")
    }
    let fields = OperationFields(words[3...], file: file, line: place)
    self.number = number
    self.line = place
    text = words[2...].joined(separator: " ")
    kind = try OperationKind(name: words[2], fields)
    figures = []
  }
}

/// The fields of an operation, read with their limits.
struct OperationFields {
  private let values: [Substring: Substring]
  /// Words without `=`, in order.
  let bare: [Substring]
  private let file: String
  private let line: Int

  init(_ words: ArraySlice<Substring>, file: String, line: Int) {
    var (values, bare): ([Substring: Substring], [Substring]) = ([:], [])
    for word in words {
      guard let sign = word.firstIndex(of: "=") else {
        bare.append(word)
        continue
      }
      values[word[..<sign]] = word[word.index(after: sign)...]
    }
    (self.values, self.bare, self.file, self.line) = (values, bare, file, line)
  }

  func error(_ message: String, _ hint: String) -> RecordingError {
    RecordingError(.badOperation, file: file, line: line, message, hint: hint)
  }

  func text(_ key: Substring) -> String? { values[key].map(String.init) }

  func required(_ key: Substring) throws(RecordingError) -> String {
    guard let value = text(key), !value.isEmpty else {
      throw error("the field \(key)= is missing", "add \(key)=…")
    }
    return value
  }

  /// A number in `range`; the default where the field is not given.
  func number(
    _ key: Substring, in range: ClosedRange<Int>, default value: Int? = nil
  ) throws(RecordingError) -> Int {
    guard let text = values[key] else {
      if let value { return value }
      throw error("the field \(key)= is missing", "add \(key)=…")
    }
    guard let number = Int(text), range.contains(number) else {
      throw error(
        "\(key)=\(text) is no number from \(range.lowerBound) to \(range.upperBound)",
        "correct the field")
    }
    return number
  }

  func optionalNumber(_ key: Substring, in range: ClosedRange<Int>) throws(RecordingError) -> Int? {
    values[key] == nil ? nil : try number(key, in: range)
  }

  func site() throws(RecordingError) -> OperationSite {
    let cpu = try optionalNumber("cpu", in: 0...4095)
    let name = text("ctx") ?? "task"
    guard let context = OperationSite.Context(rawValue: name) else {
      throw error("ctx=\(name) is no context", "contexts are task, irqoff, soft and hard")
    }
    return OperationSite(cpu: cpu, context: context)
  }

  /// `KERNEL|THISNODE`: the kernel's names without GFP_ and __GFP_.
  func gfp() throws(RecordingError) -> GFPFlags {
    var flags: GFPFlags = []
    for name in (text("gfp") ?? "KERNEL").split(separator: "|") {
      let spellings = ["GFP_" + name, "__GFP_" + name]
      guard let known = GFPFlags.names.first(where: { spellings.contains($0.name) }) else {
        throw error("gfp=\(name) is no flag", "flags are named as in GFP_KERNEL, __GFP_THISNODE")
      }
      flags.formUnion(known.flags)
    }
    return flags
  }
}

extension OperationKind {
  init(name: Substring, _ fields: OperationFields) throws(RecordingError) {
    switch name {
    case "cache": self = try .cache(fields)
    case "watchcache": self = .watchCache(try fields.required("cache"))
    case "destroy": self = .destroyCache(try fields.required("cache"))
    case "shrink": self = .shrinkCache(try fields.required("cache"))
    case "alloc", "kmalloc", "pages", "vmalloc", "kvmalloc", "vmap", "vmram":
      self = try .allocation(name, fields)
    case "free": self = try .free(fields)
    case "bulk": self = .bulk(try BulkOperation(fields, allocates: true))
    case "bulkfree": self = .bulk(try BulkOperation(fields, allocates: false))
    case "touch": self = .touch(try fields.site(), set: try fields.required("set"))
    case "purge": self = .purge(try fields.site())
    case "drain": self = .drain(try fields.site())
    case "pcpreset": self = .resetPageLists(try fields.site())
    case "settle":
      self = .settle(try fields.number("n", in: 0...RecordingLimits.settleMax))
    case "ksizes":
      self = .usableSizes(
        from: try fields.number("size", in: 0...4 << 20),
        through: try fields.number("n", in: 0...4 << 20),
        stride: try fields.number("stride", in: 1...4 << 20, default: 1))
    case "sysctl":
      guard fields.bare.count == 2, let value = Int(fields.bare[1]) else {
        throw fields.error("sysctl without name and number", "expected `sysctl vm/name 0`")
      }
      self = .setting(String(fields.bare[0]), value)
    case "uvma":
      self = .mapUser(
        try fields.site(),
        count: try fields.number("n", in: 0...RecordingLimits.objectsMax, default: 1))
    case "uvmafree":
      self = .unmapUser(
        try fields.site(), order: try OperationKind.freeOrder(fields),
        count: try fields.optionalNumber("n", in: 0...RecordingLimits.objectsMax))
    case "churn", "vchurn": self = try .churn(name, fields)
    default: self = .unsupported(String(name))
    }
  }

  private static func churn(
    _ name: Substring, _ fields: OperationFields
  ) throws(RecordingError) -> OperationKind {
    let text = try fields.required("cpus")
    guard let cpus = CPURange.list(text[...]) else {
      throw fields.error("cpus=\(text) is no list of CPUs", "expected cpus=1-7")
    }
    let source: ChurnSource =
      name == "churn"
      ? .cache(try fields.required("cache"))
      : .vmalloc(try fields.number("size", in: 1...Int(Int32.max)))
    return .churn(
      cpus, source, rounds: try fields.number("n", in: 1...RecordingLimits.objectsMax),
      batch: try fields.number("batch", in: 1...1 << 16, default: 1))
  }

  private static func cache(_ fields: OperationFields) throws(RecordingError) -> OperationKind {
    let shape = CacheShape(
      size: try fields.number("size", in: 1...4 << 20),
      align: try fields.number("align", in: 0...4 << 20, default: 0),
      flags: (fields.text("flags") ?? "").split { $0 == "," || $0 == "|" }.map(String.init),
      sheaf: try fields.number("sheaf", in: 0...4096, default: 0))
    guard shape.align & (shape.align - 1) == 0 || shape.align == 0 else {
      throw fields.error("align=\(shape.align) is no power of two", "correct the field")
    }
    for flag in shape.flags where !["hw", "rcl", "rcu", "ctor"].contains(flag) {
      throw fields.error("flags=\(flag) is no flag", "flags are hw, rcl, rcu and ctor")
    }
    return .createCache(try fields.required("cache"), shape)
  }

  private static func allocation(
    _ name: Substring, _ fields: OperationFields
  ) throws(RecordingError) -> OperationKind {
    let sizes = 0...Int(Int32.max)
    let mapped = 1...EmulatedGuest.mappedPages << 12
    let family: AllocationSource.Family
    switch name {
    case "alloc": family = .cache(try fields.required("cache"))
    case "kmalloc": family = .kmalloc(try fields.number("size", in: sizes))
    case "pages": family = .pages(order: try fields.number("order", in: 0...10))
    case "vmalloc":
      let flags = fields.text("flags")
      if let flags, flags != "huge" { return .unsupported("vmalloc flags=\(flags)") }
      family = .vmalloc(try fields.number("size", in: sizes), isHuge: flags != nil)
    case "vmap": family = .vmap(try fields.number("size", in: mapped))
    case "vmram": family = .mapRAM(try fields.number("size", in: mapped))
    default: family = .kvmalloc(try fields.number("size", in: sizes))
    }
    let source = AllocationSource(
      family: family, gfp: try fields.gfp().rawValue,
      node: try fields.optionalNumber("node", in: 0...255))
    return .allocate(
      try fields.site(), from: source,
      count: try fields.number("n", in: 0...RecordingLimits.objectsMax, default: 1),
      set: try fields.required("set"), wantsRuns: fields.bare.contains("runs"))
  }

  private static func free(_ fields: OperationFields) throws(RecordingError) -> OperationKind {
    .free(
      try fields.site(), set: try fields.required("set"), order: try freeOrder(fields),
      count: try fields.optionalNumber("n", in: 0...RecordingLimits.objectsMax))
  }

  private static func freeOrder(_ fields: OperationFields) throws(RecordingError) -> FreeOrder {
    switch fields.text("order") ?? "fifo" {
    case "fifo": return .fifo
    case "lifo": return .lifo
    case "stride":
      return .stride(
        from: try fields.number("from", in: 0...RecordingLimits.objectsMax, default: 0),
        step: try fields.number("stride", in: 1...RecordingLimits.objectsMax))
    case "rand":
      guard let seed = UInt64(fields.text("seed") ?? "0") else {
        throw fields.error("seed= is no number", "correct the field")
      }
      return .random(seed: seed)
    case let other:
      throw fields.error(
        "order=\(other) is no order", "orders are fifo, lifo, stride and rand")
    }
  }
}
