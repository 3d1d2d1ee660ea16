import Simulation

/// One thing to do for a field of a tracepoint.
struct EncodingStep: BitwiseCopyable {
  enum Kind: UInt8 {
    case number, constant, name, threadName, literal, open, close
  }
  var kind: Kind
  /// Bytes of `tag` to write.
  var tagLength: UInt8 = 0
  var field = FieldBits(EventFormat.Field("", word: 0))
  var tag: UInt64 = 0
  /// The value of a constant, or the number of a literal.
  var operand: UInt64 = 0
}

/// How one tracepoint becomes an `FtraceEvent`: a straight list of steps, made once.
struct EncodingPlan: BitwiseCopyable {
  var firstStep: Int32
  var endStep: Int32
  /// The tag of the event's own message, as bytes.
  var tag: UInt64
  var tagLength: UInt8
  /// Bytes of both nested lengths.
  var lengthWidth: UInt8
}

/// The plans of all formats of a table; formats that are not tracepoints have an empty one.
///
/// Each plan's size has an upper bound, known here, so the encoder tests for room once a bundle.
struct EncodingPlans: ~Copyable {
  private static let genericTag = 327
  private(set) var plans: Buffer<EncodingPlan>
  private(set) var steps: Buffer<EncodingStep>
  private(set) var literals: StringBlob
  /// No event is longer. Unit: bytes.
  private(set) var sizeMax: Int

  init(_ formats: [EventFormat], nameLengthMax: Int) {
    var all: [EncodingStep] = []
    var texts: [String] = []
    let none = EncodingPlan(firstStep: 0, endStep: 0, tag: 0, tagLength: 0, lengthWidth: 1)
    plans = Buffer(max(formats.count, 1), none)
    sizeMax = 0
    for (number, format) in formats.enumerated() where format.track.kind.isTracepoint {
      let message = PerfettoMessage.named(format.name)
      let mine =
        message.map { Self.steps(format, $0) } ?? Self.genericSteps(format, &texts)
      let longest = max(nameLengthMax, 32, texts.map(\.utf8.count).max() ?? 0)
      let size = 64 + mine.reduce(0) { $0 + $1.sizeMax(longestText: longest) }
      let tag = Self.tag(message?.tag ?? Self.genericTag, wire: 2)
      plans[number] = EncodingPlan(
        firstStep: Int32(all.count), endStep: Int32(all.count + mine.count), tag: tag.bytes,
        tagLength: tag.length, lengthWidth: size < 128 ? 1 : size < 16384 ? 2 : 4)
      all += mine
      sizeMax = max(sizeMax, size)
    }
    steps = Buffer(max(all.count, 1), EncodingStep(kind: .close))
    for (number, step) in all.enumerated() { steps[number] = step }
    literals = StringBlob(texts)
  }

  private static func steps(_ format: EventFormat, _ message: PerfettoMessage) -> [EncodingStep] {
    message.fields.compactMap { target in
      switch target.kind {
      case .threadName(let source):
        guard let field = format.field(source) else { return nil }
        return step(.threadName, target.tag, wire: 2, field)
      case .string:
        guard let field = format.field(target.name), field.kind == .name else { return nil }
        return step(.name, target.tag, wire: 2, field)
      case .number:
        if let field = format.field(target.name) {
          return step(.number, target.tag, wire: 0, field)
        }
        guard let absent = target.absent else { return nil }
        var constant = step(.constant, target.tag, wire: 0, nil)
        constant.operand = absent
        return constant
      }
    }
  }

  /// `GenericFtraceEvent`: 1 the event's name, 2 its fields, each 1 name, 3 string, 4 signed
  /// or 5 unsigned value.
  private static func genericSteps(_ format: EventFormat, _ texts: inout [String])
    -> [EncodingStep]
  {
    func literal(_ text: String) -> EncodingStep {
      var literal = step(.literal, 1, wire: 2, nil)
      literal.operand = UInt64(texts.count)
      texts.append(text)
      return literal
    }
    var steps = [literal(format.name)]
    for field in format.fields {
      steps.append(step(.open, 2, wire: 2, nil))
      steps.append(literal(field.name))
      switch field.kind {
      case .name: steps.append(step(.name, 3, wire: 2, field))
      case .signed: steps.append(step(.number, 4, wire: 0, field))
      case .unsigned, .pointer, .gfp: steps.append(step(.number, 5, wire: 0, field))
      }
      steps.append(EncodingStep(kind: .close))
    }
    return steps
  }

  private static func step(
    _ kind: EncodingStep.Kind, _ number: Int, wire: Int, _ field: EventFormat.Field?
  ) -> EncodingStep {
    let tag = tag(number, wire: wire)
    var step = EncodingStep(kind: kind, tagLength: tag.length, tag: tag.bytes)
    if let field { step.field = FieldBits(field) }
    return step
  }

  /// A tag's varint, of at most two bytes.
  private static func tag(_ number: Int, wire: Int) -> (bytes: UInt64, length: UInt8) {
    let tag = UInt64(number << 3 | wire)
    return tag < 0x80 ? (tag, 1) : (tag & 0x7F | 0x80 | (tag >> 7) << 8, 2)
  }
}

extension EncodingStep {
  func sizeMax(longestText: Int) -> Int {
    switch kind {
    case .number, .constant: 12
    case .name, .threadName, .literal: longestText + 6
    case .open: 4
    case .close: 0
    }
  }
}
