import Kernel

/// The steps of one thread or handler on their way to ops.
///
/// Each list of steps is balanced by itself: what it takes it gives up, so nothing is held where a
/// turn ends. What a failure leaves behind is put after the turn, out of the way of the hot path.
final class Body {
  enum Role { case thread, hardirq, softirq, work, nmi }

  struct Slot {
    var index: Int
    /// 1 for an object of its own.
    var count: Int
    var isPool: Bool
    /// The function that frees what was put there last, and the cache it is from.
    var freeAPI: FreeAPI = .kfree
    var cache: Int?
    var isFilled = false
  }

  enum Held { case lock(HeldLock), masked(Mask, String) }

  /// An object that this turn has made: its slot and how it is freed.
  struct Filled {
    var slot: SlotRef
    var api: FreeAPI
    /// The operation that its freeing is counted under: `kmem_cache_free(skb)`.
    var operation: String
  }

  /// Where a failing step goes: written behind the turn.
  struct Exit {
    enum Source { case allocation(Int), handOver(Int), bulk(Int) }
    var source: Source
    var objects: [Filled]
    var held: [Held]
    var stops: Bool
  }

  let builder: ProgramBuilder
  let role: Role
  /// `eth0`, `storm`: for counters and messages.
  let name: String
  var slots: [String: Slot] = [:]
  var slotCount = 0
  var held: [Held] = []
  /// What this turn put where, for its exits.
  var filled: [Filled] = []
  var exits: [Exit] = []
  var repeatDepth = 0
  var raised: Set<SoftIRQ> = []
  var hasPicked = false
  /// It puts work off, and so may go on for ever.
  var putsOff = false
  /// Names of prefilled sheaves, which are no objects.
  var sheaves: Set<String> = []

  var reading: Reading { builder.reading }
  var findings: Findings { builder.findings }
  var isThread: Bool { role == .thread }
  /// Whether a task runs it.
  var isTask: Bool { role == .thread || role == .work }
  var here: Int { builder.program.code.count }

  init(_ builder: ProgramBuilder, role: Role, name: String) {
    (self.builder, self.role, self.name) = (builder, role, name)
  }

  @discardableResult
  func emit(_ op: Op) -> Int {
    builder.program.code.append(op)
    return builder.program.code.count - 1
  }

  /// Steps that change the object in its slot.
  static let reallocating: Set = ["krealloc", "krealloc_array", "kvrealloc", "vrealloc"]

  // MARK: Slots

  func addSlot(_ name: String, count: Int, isPool: Bool, _ span: Span) {
    guard slots[name] == nil else { return }
    guard slotCount + count <= ScenarioLimits.slotsMax else {
      findings.add(
        .limit, "more than \(ScenarioLimits.slotsMax) slots in one thread or handler", at: span)
      return
    }
    slots[name] = Slot(index: slotCount, count: count, isPool: isPool)
    slotCount += count
  }

  /// Gives every object that some step names with `as:` a slot.
  func findObjects(in steps: Tree?) {
    guard let steps else { return }
    switch steps.kind {
    case .list(let list): for item in list { findObjects(in: item) }
    case .map(let map):
      for entry in map {
        if entry.key == "kmem_cache_prefill_sheaf", let name = entry.value["as"]?.text {
          sheaves.insert(name)
        }
        let isReallocated = Body.reallocating.contains(entry.key)
        let tree = isReallocated ? entry.value["object"] ?? entry.value : entry.value
        if entry.key == "as", let list = tree.list {
          for item in list where item.text != nil && slots[item.text ?? ""] == nil {
            if let name = reading.name(item, "an object") {
              addSlot(name, count: 1, isPool: false, item.span)
            }
          }
        } else if entry.key == "as" || isReallocated, let object = tree.text, object != "picked",
          slots[object]?.isPool != true
        {
          if reading.name(tree, "an object") != nil {
            addSlot(object, count: 1, isPool: false, tree.span)
          }
        } else {
          findObjects(in: entry.value)
        }
      }
    case .text, .nothing: break
    }
  }

  /// The slot of an object that a step names; nil after a finding.
  func slot(_ tree: Tree, _ what: String, maySheaf: Bool = false) -> SlotRef? {
    guard let name = reading.text(tree, what) else { return nil }
    guard maySheaf || !sheaves.contains(name) else {
      findings.add(
        .misplaced, "`\(name)` is a prefilled sheaf, not an object", at: tree.span,
        notes: ["`kmem_cache_alloc_from_sheaf` takes objects out of it"])
      return nil
    }
    if name == "picked" {
      if !hasPicked {
        findings.add(
          .unknownName, "`picked` has no meaning before a `pick:`", at: tree.span,
          notes: ["as in `- pick: pool`"])
      }
      return .picked
    }
    guard let slot = slots[name] else {
      let known = slots.filter { !$0.value.isPool }.keys.sorted()
      findings.unknown(
        .unknownName, "object", name, among: known + (hasPicked ? ["picked"] : []),
        at: tree.span, notes: known.isEmpty ? ["objects get their names with `as:`"] : [])
      return nil
    }
    guard !slot.isPool else {
      findings.add(
        .unknownName, "`\(name)` is a pool, not an object", at: tree.span,
        label: "say `pick: \(name)`, then `picked`")
      return nil
    }
    return SlotRef(slot.index)
  }

  func noteFilled(_ name: String?, _ ref: SlotRef, _ api: FreeAPI, cache: Int?) {
    if let name, slots[name] != nil {
      slots[name]?.freeAPI = api
      slots[name]?.cache = cache
      slots[name]?.isFilled = true
    }
    filled.removeAll { $0.slot == ref }
    let from = cache.map { "(\(builder.program.caches[$0].name))" } ?? ""
    filled.append(Filled(slot: ref, api: api, operation: api.text + from))
  }

  func noteEmptied(_ ref: SlotRef) { filled.removeAll { $0.slot == ref } }

  // MARK: Lists of steps

  /// Reads a list of steps and appends its ops. Returns: whether it is sure to take time.
  @discardableResult
  func steps(_ tree: Tree, _ what: String, holding first: Held? = nil) -> Bool {
    let outer = held
    held = first.map { [$0] } ?? []
    var takesTime = false
    for step in reading.list(tree, what) where self.step(step) { takesTime = true }
    for left in held {
      let (what, instead) = Self.words(left)
      findings.add(
        .unbalanced, "\(what) at the end of this list of steps", at: tree.span,
        notes: ["add `- \(instead)`: each list gives up what it took"])
    }
    held = outer
    return takesTime
  }

  private static func words(_ held: Held) -> (String, String) {
    switch held {
    case .lock(let taken):
      ("the lock `\(taken.name)` is still held", "\(taken.giver): \(taken.name)")
    case .masked(_, let step):
      ("`\(step)` is still in force", step.replacing("disable", with: "enable"))
    }
  }

  /// Everything held, through all lists around.
  func heldCount() -> Int { outerHeld.count + held.count }
  var outerHeld: [Held] = []

  /// Reads an inner list: what is held around it stays held.
  func inner(_ tree: Tree, _ what: String, holding first: Held? = nil) -> Bool {
    let (outer, outerFilled) = (outerHeld, filled)
    outerHeld += held
    let takesTime = steps(tree, what, holding: first)
    outerHeld = outer
    // What one branch filled may be there or not: an exit asks each slot before it frees.
    for object in outerFilled where !filled.contains(where: { $0.slot == object.slot }) {
      filled.append(object)
    }
    return takesTime
  }

  // MARK: Turns

  /// Ends a turn with `last` and writes the exits of its failing steps behind it.
  ///
  /// - Parameter turnEnd: where a turn that was cut short goes on.
  func finishTurn(_ last: Op, turnEnd: Int32) {
    emit(last)
    for exit in exits { write(exit, turnEnd) }
    exits = []
    filled = []
  }

  private func write(_ exit: Exit, _ turnEnd: Int32) {
    let place = Int32(here)
    switch exit.source {
    case .allocation(let index): builder.program.allocations[index].onFailure = place
    case .handOver(let index): builder.program.handOvers[index].otherwise = place
    case .bulk(let index): builder.program.bulks[index].onFailure = place
    }
    for held in exit.held.reversed() {
      switch held {
      case .lock(let taken): giveUp(taken)
      case .masked(let mask, _): emit(.enable(mask))
      }
    }
    for object in exit.objects {
      emit(.whenFull(object.slot, otherwise: Int32(here + 2)))
      let span = Span(SourceText(name: name, text: ""), 1, 1)
      let operation = builder.operation(object.operation, span)
      emit(.free(object.api, object.slot, operation: operation))
    }
    emit(.count(builder.counter("drops.\(name)")))
    emit(exit.stops ? .end : .jump(turnEnd))
  }

  /// `on-failure:` of a step that was just appended.
  func onFailure(_ tree: Tree?, _ source: Exit.Source, byDefault: String) {
    var word = byDefault
    if let tree {
      guard let text = reading.word(tree, "on-failure", among: Words.onFailure) else { return }
      word = text
      if word == "stop", !isThread {
        findings.add(
          .misplaced, "`stop` ends a thread; a handler can `drop`", at: tree.span)
      }
    }
    guard word != "continue" else { return }
    builder.exitObjects += filled.count
    guard builder.exitObjects <= ScenarioLimits.exitObjectsMax else {
      if builder.exitObjects - filled.count <= ScenarioLimits.exitObjectsMax {
        findings.add(
          .limit,
          "the steps that may `drop` have too many objects to free: more than "
            + "\(ScenarioLimits.exitObjectsMax) together", at: tree?.span)
      }
      return
    }
    exits.append(
      Exit(source: source, objects: filled, held: outerHeld + held, stops: word == "stop"))
  }
}

extension FreeAPI {
  /// The function's name, which is also its operation's.
  var text: String {
    switch self {
    case .kfree: "kfree"
    case .kfreeSensitive: "kfree_sensitive"
    case .kfreeRCU: "kfree_rcu"
    case .kfreeRCUMightSleep: "kfree_rcu_mightsleep"
    case .kmemCacheFree: "kmem_cache_free"
    case .freePages: "free_pages"
    case .vfree: "vfree"
    case .kvfree: "kvfree"
    case .returnSheaf: "kmem_cache_return_sheaf"
    case .vunmap: "vunmap"
    case .vmUnmapRAM: "vm_unmap_ram"
    case .vfreeAtomic: "vfree_atomic"
    }
  }
}
