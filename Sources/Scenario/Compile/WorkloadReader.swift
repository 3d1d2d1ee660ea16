import Kernel
import Simulation
import Topology

/// Reads `caches:`, `locks:`, `threads:` and `interrupts:` into a program.
struct WorkloadReader {
  let builder: ProgramBuilder
  /// Whether something goes on for ever.
  var isEndless = false
  private var slotTotal = 0
  var reading: Reading { builder.reading }
  var findings: Findings { builder.findings }
  private var machine: MachineDescription { builder.machine }

  init(_ builder: ProgramBuilder) { self.builder = builder }

  mutating func read(_ tree: Tree) {
    if let caches = tree["caches"], !caches.isNothing { readCaches(caches) }
    if let buckets = tree["buckets"], !buckets.isNothing { readBuckets(buckets) }
    if let locks = tree["locks"], !locks.isNothing { readLocks(locks) }
    declareDeferred(tree)
    let threads = entries(tree["threads"], "`threads:`")
    let interrupts = entries(tree["interrupts"], "`interrupts:`")
    if threads.isEmpty, interrupts.isEmpty, findings.isEmpty {
      findings.add(
        .missingKey, "the scenario does nothing: it has neither `threads:` nor `interrupts:`",
        at: tree.span)
    }
    let places = resolve(threads, interrupts)
    findReceivers(threads, interrupts, places)
    for section in Self.sections {
      if let part = tree[section] { findHandOvers(in: part, [:]) }
    }
    for source in interrupts { noteVectors(source) }
    for (index, thread) in threads.enumerated() { readThread(thread, places[index], index) }
    for (index, source) in interrupts.enumerated() {
      readInterrupt(source, places[threads.count + index])
    }
    readDeferred(tree)
    let program = builder.program
    let activations = program.threads.count + program.sources.reduce(0) { $0 + 2 * $1.cpus.count }
    if activations > ScenarioLimits.activationsMax {
      findings.add(
        .limit, "more than \(ScenarioLimits.activationsMax) threads and handlers on CPUs",
        at: tree["interrupts"]?.span ?? tree.span,
        notes: ["an interrupt counts two handlers for each of its `cpus:`"])
    }
    if findings.isEmpty { JumpThreading.run(&builder.program) }
  }

  private func entries(_ tree: Tree?, _ what: String) -> [Tree] {
    guard let tree, !tree.isNothing else { return [] }
    return reading.list(tree, what)
  }

  // MARK: Who runs where

  /// The CPUs of every thread entry, then of every interrupt; nil where they are wrong.
  private func resolve(_ threads: [Tree], _ interrupts: [Tree]) -> [[Int]?] {
    let sets = CPUSets(
      reading: reading, machine: machine, isKnown: builder.isMachineKnown)
    var places: [[Int]?] = []
    for thread in threads {
      let on = thread["on"]
      places.append(on.map { CPUSets.isOthers($0) ? nil : sets.cpus($0) } ?? nil)
    }
    for source in interrupts { places.append(source["cpus"].flatMap { sets.cpus($0) }) }
    var taken = Set(places.compactMap { $0 }.joined())
    for (index, thread) in threads.enumerated() {
      guard let on = thread["on"], CPUSets.isOthers(on) else { continue }
      let rest = machine.cpus.indices.filter { !taken.contains($0) }
      taken.formUnion(rest)
      places[index] = rest
    }
    return places
  }

  private func findReceivers(_ threads: [Tree], _ interrupts: [Tree], _ places: [[Int]?]) {
    for (index, thread) in threads.enumerated() {
      guard let name = thread["name"]?.text else { continue }
      if builder.receivers[name] == nil { builder.threadNames.append(name) }
      builder.receivers[name] = ProgramBuilder.Receiver(
        group: index, isReceiving: thread["each"] != nil,
        isEmpty: builder.isMachineKnown && places[index]?.isEmpty == true)
    }
    for tree in threads + interrupts {
      var frees: [String: ProgramBuilder.Free] = [:]
      Body.findFrees(in: tree, &frees)
      findHandOvers(in: tree, frees)
    }
  }

  private func findHandOvers(in tree: Tree, _ frees: [String: ProgramBuilder.Free]) {
    switch tree.kind {
    case .list(let list): for item in list { findHandOvers(in: item, frees) }
    case .map(let map):
      for entry in map {
        if entry.key == "hand_over", let to = entry.value["to"]?.text,
          let objects = entry.value["objects"], builder.receivers[to]?.objects == nil
        {
          let trees = objects.list ?? [objects]
          let names = trees.compactMap(\.text)
          builder.receivers[to]?.objects = names
          builder.receivers[to]?.frees = names.map { ($0, frees[$0] ?? .kfree) }
        }
        findHandOvers(in: entry.value, frees)
      }
    case .text, .nothing: break
    }
  }

  private func noteVectors(_ source: Tree) {
    for entry in source["softirq"]?.map ?? [] {
      if let vector = SoftIRQ.allCases.first(where: { $0.key == entry.key }) {
        builder.softirqs.insert(vector)
      }
    }
  }

  // MARK: Threads

  private mutating func readThread(_ tree: Tree, _ cpus: [Int]?, _ index: Int) {
    guard
      let fields = reading.fields(
        tree, "a thread", known: Words.thread, required: ["name", "on"]),
      let nameTree = fields["name"], let name = reading.name(nameTree, "a thread")
    else { return }
    if !builder.takenNames.insert(name).inserted {
      findings.add(.nameTwice, "two threads are called `\(name)`", at: nameTree.span)
    }
    let body = Body(builder, role: .thread, name: name)
    readSlots(fields, body)
    let start = fields["start"].flatMap { reading.time($0, "start") } ?? 0
    let entry = readTurns(fields, body, name)
    let cpus = cpus ?? []
    let first = builder.program.threads.count
    builder.program.groups.append(
      Program.Group(name: name, first: first, count: cpus.count))
    guard first + cpus.count <= ScenarioLimits.threadsMax else {
      findings.add(
        .limit, "more than \(ScenarioLimits.threadsMax) threads", at: tree.span)
      return
    }
    slotTotal += cpus.count * body.slotCount
    for (number, cpu) in cpus.enumerated() {
      builder.program.threads.append(
        Program.Thread(
          name: cpus.count == 1 ? name : "\(name)/\(cpu)", cpu: cpu, group: index, index: number,
          entry: entry, slotCount: body.slotCount, start: Instant(picoseconds: start)))
    }
    if slotTotal > ScenarioLimits.slotsTotalMax {
      findings.add(
        .limit, "more than \(ScenarioLimits.slotsTotalMax) slots over all threads",
        at: tree.span)
    }
  }

  /// `slots: {name: pool, count: 64}`, or a list of them; then the objects that steps name.
  private func readSlots(_ fields: Tree, _ body: Body) {
    if fields["each"] != nil, let name = fields["name"]?.text {
      for object in builder.receivers[name]?.objects ?? [] where object != "picked" {
        body.addSlot(object, count: 1, isPool: false, fields.span)
      }
    }
    if let tree = fields["slots"] {
      for pool in tree.map != nil ? [tree] : reading.list(tree, "slots") {
        guard
          let map = reading.fields(
            pool, "slots", known: Words.slots, required: Words.slots),
          let nameTree = map["name"], let name = reading.name(nameTree, "a pool"),
          let count = map["count"].flatMap({
            reading.integer($0, "count", 1...ScenarioLimits.slotsMax)
          })
        else { continue }
        if body.slots[name] != nil || name == "picked" {
          findings.add(
            .nameTwice, "another pool or object is called `\(name)`", at: nameTree.span)
        }
        body.addSlot(name, count: count, isPool: true, nameTree.span)
      }
    }
    for key in ["steps", "loop", "each"] { body.findObjects(in: fields[key]) }
  }

  /// `steps:` once; then `loop:` for ever, or `each:` once for every hand-over. Returns: the entry.
  private mutating func readTurns(_ fields: Tree, _ body: Body, _ name: String) -> Int {
    let entry = body.here
    guard fields["loop"] != nil || fields["each"] != nil || fields["steps"] != nil else {
      findings.add(
        .missingKey, "a thread needs `steps:`, `loop:` or `each:`", at: fields.span)
      return entry
    }
    if let steps = fields["steps"] {
      body.steps(steps, "`steps`")
      if fields["loop"] == nil, fields["each"] == nil {
        // Behind the last step, whatever fails earlier: the thread is done.
        body.finishTurn(.end, turnEnd: Int32(body.here))
        return entry
      }
      let end = body.here
      body.finishTurn(.jump(0), turnEnd: 0)
      fix(from: end, to: body.here, with: Int32(body.here))
    }
    if let loop = fields["loop"] {
      if let each = fields["each"] {
        findings.add(.misplaced, "a thread has `loop:` or `each:`, not both", at: each.span)
      }
      isEndless = true
      let top = Int32(body.here)
      if !body.steps(loop, "`loop`"), findings.isEmpty {
        findings.add(
          .endless, "a round of this loop may take no time: it would never end", at: loop.span,
          notes: ["add a `work:`; frees and tests of empty slots take none"])
      }
      body.finishTurn(.jump(top), turnEnd: top)
    } else if let each = fields["each"] {
      let top = Int32(body.here)
      if builder.receivers[name]?.objects == nil {
        findings.add(
          .misplaced, "nothing is handed to `\(name)`", at: each.span,
          notes: ["`each:` runs once for every `hand_over: {to: \(name), objects: [...]}`"])
      }
      body.emit(.receive(into: SlotRef(0)))
      for (object, free) in builder.receivers[name]?.frees ?? [] {
        guard let slot = body.slots[object] else { continue }
        body.filled.append(
          Body.Filled(slot: SlotRef(slot.index), api: free.api, operation: free.operation))
      }
      body.steps(each, "`each`")
      body.finishTurn(.jump(top), turnEnd: top)
    }
    return entry
  }

  /// The ops that end `steps:` lead to what follows, which is known only now.
  private func fix(from first: Int, to end: Int, with place: Int32) {
    for index in first..<end {
      if case .jump = builder.program.code[index] { builder.program.code[index] = .jump(place) }
    }
  }
}
