/// How one kind of traceable event looks: declared once beside what raises it, read by exporters.
///
/// A `ProbeRecord` carries the number of its format and three words; a format says which bits of
/// which word are which field. Exporters print what the format says and know no event by name.
public struct EventFormat: Sendable {
  /// One field of an event: `width` bits of a record's word, from bit `shift`.
  public struct Field: Sendable {
    public enum Kind: Sendable, Equatable {
      case unsigned, signed, pointer
      /// A GFP mask, shown by name where a format has names for it.
      case gfp
      /// An index into `TraceTable.names`.
      case name
    }
    public let name: String
    public let word: Int
    public let shift: Int
    public let width: Int
    public let kind: Kind

    public init(
      _ name: String, word: Int, shift: Int = 0, width: Int = 64, _ kind: Kind = .unsigned
    ) {
      (self.name, self.word, self.shift) = (name, word, shift)
      (self.width, self.kind) = (width, kind)
    }

    /// Whether a reader of the timeline sees it among an event's arguments: the others say where
    /// and as what the event is drawn.
    public var isArgument: Bool { !["label", "flow", "value", "key"].contains(name) }

    /// A copy of `record` with this field set to `value`'s low bits.
    public func setting(_ value: UInt64, in record: ProbeRecord) -> ProbeRecord {
      let mask = (width < 64 ? 1 << UInt64(width) - 1 : UInt64.max) << UInt64(shift)
      let bits = value << UInt64(shift) & mask
      var copy = record
      switch word {
      case 0: copy.a = copy.a & ~mask | bits
      case 1: copy.b = copy.b & ~mask | bits
      default: copy.c = copy.c & ~mask | bits
      }
      return copy
    }

    /// The field's bits in a record; a `signed` one is extended.
    public func value(in record: ProbeRecord) -> UInt64 {
      let whole = word == 0 ? record.a : word == 1 ? record.b : record.c
      let word = whole >> UInt64(shift)
      guard width < 64 else { return word }
      let bits = word & (1 << UInt64(width) - 1)
      guard kind == .signed, bits >> UInt64(width - 1) == 1 else { return bits }
      return bits | ~(1 << UInt64(width) - 1)
    }
  }

  /// Where an event is drawn, and what follows from it.
  ///
  /// Pairs nest by lane, CPU and the field called `key` (0 where there is none): an exit or end
  /// closes what was opened last under its key. Slices of different keys may overlap, as two locks
  /// do that are not released in the order of their taking: each key has a row of its own. What a
  /// window cuts through is mended by the exporter, so a probe need not care where its window lies.
  public enum Track: Sendable, Equatable {
    /// A tracepoint of the kernel: a raw event of its CPU, under the kernel's own name.
    case tracepoint
    /// Tracepoints that come in pairs, as `irq_handler_entry` and `irq_handler_exit` do. The exit
    /// that a window cuts off gets the values of the entry's fields of the same name.
    case entry(lane: String)
    case exit(lane: String)
    /// The tracepoint with which a CPU goes over from thread `prev_pid` to thread `next_pid`.
    case threadSwitch
    /// A slice on the CPU's track called `lane`. The field `label` of kind `.name` names the
    /// slice if there is one, else the event's own name does. Other fields become its arguments,
    /// those of the `end` too.
    case begin(lane: String)
    case end(lane: String)
    /// A point on the CPU's track called `lane`; named like a slice.
    case instant(lane: String)
    /// A begin that an arrow leaves, or an arrow arrives at. The field called `flow` is the arrow's
    /// number: one number, one source, one target, never used again.
    case flowOut(lane: String)
    case flowIn(lane: String)
    /// An instant that an arrow leaves: for a slice that many arrows leave, one target each.
    case instantOut(lane: String)
    /// A value over time, called by the event's name. The field `value` is the value, the field
    /// `label` (if any) says of what. Records of a CPU and records of none (`cpu` below zero) are
    /// separate counters. One counter's records are noted in the order of time.
    case counter(unit: String)
  }

  public let name: String
  /// The kernel's trace system (`kmem`, `sched`, `vmalloc`); the category of slices.
  public let system: String
  public let fields: [Field]
  public let track: Track

  public init(_ name: String, system: String, track: Track, fields: [Field]) {
    (self.name, self.system, self.track, self.fields) = (name, system, track, fields)
  }

  /// The first field of that name.
  public func field(_ name: String) -> Field? { fields.first { $0.name == name } }
}

/// One thing that happened. 40 bytes.
@frozen public struct ProbeRecord: BitwiseCopyable, Sendable {
  public var time: Instant
  public var cpu: Int32
  /// The number of its `EventFormat`.
  public var event: UInt16
  public var unused: UInt16 = 0
  public var a: UInt64
  public var b: UInt64
  public var c: UInt64

  @inlinable
  public init(time: Instant, cpu: Int32, event: UInt16, a: UInt64 = 0, b: UInt64 = 0, c: UInt64 = 0)
  {
    (self.time, self.cpu, self.event) = (time, cpu, event)
    (self.a, self.b, self.c) = (a, b, c)
  }
}

/// What an exporter must know beside the records: formats, strings, CPUs, threads.
public struct TraceTable: Sendable {
  public struct Thread: Sendable {
    /// The number that `prev_pid` and `next_pid` carry; 0 is each CPU's idle task.
    public let pid: Int
    public let name: String
    public init(pid: Int, name: String) { (self.pid, self.name) = (pid, name) }
  }
  public var formats: [EventFormat]
  /// What fields of kind `.name` index.
  public var names: [String]
  public var threads: [Thread]
  public var cpuCount: Int
  /// The node of each CPU.
  public var nodeOfCPU: [Int]
  /// GFP bits by name, for fields of kind `.gfp`. Longest combinations first.
  public var gfpNames: [(name: String, bits: UInt64)]
  /// What ran, for the trace's metadata: title, kernel, machine.
  public var title: String

  public init(
    formats: [EventFormat], names: [String], threads: [Thread], cpuCount: Int, nodeOfCPU: [Int],
    gfpNames: [(name: String, bits: UInt64)], title: String
  ) {
    (self.formats, self.names, self.threads) = (formats, names, threads)
    (self.cpuCount, self.nodeOfCPU, self.gfpNames) = (cpuCount, nodeOfCPU, gfpNames)
    self.title = title
  }
}
