import Kernel
import Simulation

/// Devices: when they interrupt, and what their handlers do.
extension WorkloadReader {
  mutating func readInterrupt(_ tree: Tree, _ cpus: [Int]?) {
    guard
      let fields = reading.fields(
        tree, "an interrupt", known: Words.interrupt, required: ["name", "cpus", "arrivals"]),
      let nameTree = fields["name"], let name = reading.name(nameTree, "an interrupt")
    else { return }
    if !builder.takenNames.insert(name).inserted {
      findings.add(
        .nameTwice, "another thread or interrupt is called `\(name)`", at: nameTree.span)
    }
    guard builder.program.sources.count < ScenarioLimits.interruptsMax else {
      findings.add(
        .limit, "more than \(ScenarioLimits.interruptsMax) interrupts", at: tree.span)
      return
    }
    isEndless = true
    let arrivals = fields["arrivals"].flatMap { readArrivals($0) }
    let handler = fields["softirq"].flatMap { readSoftIRQ($0, name) }
    let nmi = fields["nmi"]
    if let nmi, fields["hardirq"] != nil || handler != nil {
      findings.add(
        .misplaced, "an NMI has neither `hardirq:` nor `softirq:`", at: nmi.span,
        notes: ["make it two interrupts"])
    }
    let hardirq = Body(builder, role: nmi == nil ? .hardirq : .nmi, name: name)
    let hardirqEntry = hardirq.here
    if let steps = nmi ?? fields["hardirq"] {
      hardirq.findObjects(in: steps)
      hardirq.steps(steps, "`hardirq`")
      if let handler, !hardirq.raised.contains(handler.vector) {
        findings.add(
          .misplaced, "the hardirq of `\(name)` never raises \(handler.vector.key)",
          at: steps.span, notes: ["add `- raise: \(handler.vector.key)`"])
      }
    } else if let handler {
      hardirq.emit(.raise(handler.vector))
    }
    hardirq.finishTurn(.end, turnEnd: Int32(hardirq.here))
    guard let arrivals else { return }
    var source = Program.Source(
      name: name, cpus: cpus ?? [0], interval: Int(builder.place(of: arrivals.interval)),
      unitsPerArrival: arrivals.units, hardirqEntry: hardirqEntry,
      softirq: handler?.vector, softirqEntry: handler?.entry ?? hardirqEntry,
      budget: handler?.budget ?? 64,
      slotCount: max(hardirq.slotCount, handler?.slotCount ?? 0))
    source.isNMI = nmi != nil
    builder.program.sources.append(source)
  }

  // MARK: Arrivals

  private struct Arrivals {
    var interval: Distribution
    var units: Int
  }

  /// `{poisson: 200k/s}`, `{every: 5us, units: 4}`, `{burst: {size: 64, every: 10ms}}`.
  private func readArrivals(_ tree: Tree) -> Arrivals? {
    guard let map = reading.fields(tree, "`arrivals`", known: Words.arrivals) else { return nil }
    let kinds = ["poisson", "every", "uniform", "burst"].filter { map[$0] != nil }
    guard kinds.count == 1, let kind = kinds.first, let value = map[kind] else {
      findings.add(
        .missingKey, "`arrivals` needs one of poisson, every, uniform, burst", at: tree.span,
        label: "as in `{poisson: 200k/s}`")
      return nil
    }
    var units = 1
    if let tree = map["units"] {
      guard let count = reading.integer(tree, "units", 1...1_000_000) else { return nil }
      units = count
    }
    switch kind {
    case "poisson":
      guard let rate = reading.number(value, "poisson", .rate) else { return nil }
      guard rate.double > 0.001, rate.double <= 1e12 else {
        findings.add(.range, "the rate must be above 0.001/s and at most 1000G/s", at: value.span)
        return nil
      }
      let mean = UInt64((1e12 / rate.double).rounded())
      return Arrivals(interval: .exponential(mean: max(1, mean)), units: units)
    case "every":
      let time = reading.time(value, "every", atLeast: 1)
      return time.map { Arrivals(interval: .constant($0), units: units) }
    case "uniform":
      let interval = builder.uniform(value, "uniform") {
        reading.time($0, "an interval", atLeast: 1)
      }
      return interval.map { Arrivals(interval: $0, units: units) }
    default:
      guard
        let burst = reading.fields(
          value, "`burst`", known: Words.burst, required: Words.burst),
        let size = burst["size"].flatMap({ reading.integer($0, "size", 1...1_000_000) }),
        let every = burst["every"].flatMap({ reading.time($0, "every", atLeast: 1) })
      else { return nil }
      return Arrivals(interval: .constant(every), units: size)
    }
  }

  // MARK: Softirq

  private struct Handler {
    var vector: SoftIRQ
    var entry: Int
    var budget: Int
    var slotCount: Int
  }

  /// `{net-rx: {budget: 64, each: [...]}}`.
  private func readSoftIRQ(_ tree: Tree, _ name: String) -> Handler? {
    guard let map = tree.map, map.count == 1, let entry = map.first else {
      findings.add(
        .wrongKind, "`softirq` needs one vector with its steps", at: tree.span,
        label: "as in `{net-rx: {each: [...]}}`")
      return nil
    }
    guard let vector = SoftIRQ.allCases.first(where: { $0.key == entry.key }) else {
      findings.unknown(
        .unknownName, "softirq", entry.key, among: SoftIRQ.allCases.map(\.key),
        at: entry.keySpan)
      return nil
    }
    guard
      let fields = reading.fields(
        entry.value, "a softirq", known: Words.softirq, required: ["each"]),
      let each = fields["each"]
    else { return nil }
    let budget = fields["budget"].map { reading.integer($0, "budget", 1...1_000_000) } ?? 64
    let body = Body(builder, role: .softirq, name: name)
    let place = body.here
    body.findObjects(in: each)
    body.steps(each, "`each`")
    let end = Int32(body.here)
    body.finishTurn(.end, turnEnd: end)
    guard let budget else { return nil }
    return Handler(vector: vector, entry: place, budget: budget, slotCount: body.slotCount)
  }
}
