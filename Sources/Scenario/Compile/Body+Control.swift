import Kernel

/// Steps that decide which steps come next.
extension Body {
  /// The pool that a step names.
  private func pool(_ fields: Tree) -> (index: Int, count: Int)? {
    guard let tree = fields["pool"], let name = reading.text(tree, "`pool`") else { return nil }
    let pools = slots.filter(\.value.isPool)
    guard let pool = pools[name] else {
      findings.unknown(
        .unknownName, "pool", name, among: pools.keys.sorted(), at: tree.span,
        notes: pools.isEmpty
          ? ["a thread's pool: `slots: {name: \(Spelling.shown(name)), count: 64}`"] : [])
      return nil
    }
    return (pool.index, pool.count)
  }

  /// `pick_next: pool`: one slot after the other, and again from the first.
  func pickNext(_ fields: Tree) -> Bool {
    guard let pool = pool(fields) else { return false }
    emit(.pickNext(SlotRef(pool.index), count: Int32(pool.count)))
    hasPicked = true
    return false
  }

  func pick(_ fields: Tree) -> Bool {
    guard let pool = pool(fields) else { return false }
    let own = fields["own"].map { reading.integer($0, "own", 0...65_535) } ?? 1
    let next = fields["next"].map { reading.integer($0, "next", 0...65_535) } ?? 0
    guard let own, let next else { return false }
    guard own + next > 0 else {
      findings.add(.range, "`own` and `next` are both 0", at: fields.span)
      return false
    }
    emit(.pick(Int32(builder.program.picks.count)))
    builder.program.picks.append(
      Pick(
        slot: SlotRef(pool.index), count: Int32(pool.count), own: Int32(own), next: Int32(next)))
    hasPicked = true
    return false
  }

  /// `when: {full: slot, then: [...], else: [...]}`.
  ///
  /// What was picked may be in the middle of being filled by another thread: then it is neither
  /// full nor empty, and neither branch is for it.
  func when(_ fields: Tree, _ span: Span) -> Bool {
    let (full, empty) = (fields["full"], fields["empty"])
    guard (full == nil) != (empty == nil), let tree = full ?? empty else {
      findings.add(
        .missingKey, "`when` needs either `full:` or `empty:` with an object", at: fields.span)
      return false
    }
    guard let then = fields["then"],
      let slot = slot(tree, full == nil ? "`empty`" : "`full`", maySheaf: true)
    else { return false }
    let test = emit(.end)
    var takesTime = inner(then, "`then`")
    var otherwise = here
    if let other = fields["else"] {
      let skip = emit(.end)
      otherwise = here
      let isShared = slot == .picked
      let opposite = isShared ? emit(.end) : nil
      let alsoTakes = inner(other, "`else`")
      takesTime = takesTime && alsoTakes && !isShared
      builder.program.code[skip] = .jump(Int32(here))
      if let opposite {
        let end = Int32(here)
        builder.program.code[opposite] =
          full != nil ? .whenEmpty(slot, otherwise: end) : .whenFull(slot, otherwise: end)
      }
    } else {
      takesTime = false
    }
    let place = Int32(otherwise)
    builder.program.code[test] =
      full != nil ? .whenFull(slot, otherwise: place) : .whenEmpty(slot, otherwise: place)
    return takesTime
  }

  /// `choose: [{weight: 3, do: [...]}, {weight: 1, do: [...]}]`.
  func choose(_ tree: Tree) -> Bool {
    let branches = reading.list(tree, "`choose`")
    guard (1...1024).contains(branches.count) else {
      if tree.list != nil {
        findings.add(.range, "`choose` needs one to 1024 branches", at: tree.span)
      }
      return false
    }
    let chooser = emit(.end)
    var choice = Choice(places: [], weights: [])
    var ends: [Int] = []
    var takesTime = true
    for branch in branches {
      let known = ["weight", "do"]
      guard let map = reading.fields(branch, "a branch", known: known, required: known),
        let steps = map["do"]
      else { continue }
      choice.places.append(here)
      choice.weights.append(
        map["weight"].flatMap { reading.integer($0, "weight", 1...1_000_000) } ?? 1)
      takesTime = inner(steps, "`do`") && takesTime
      ends.append(emit(.end))
    }
    guard !choice.places.isEmpty else { return false }
    for end in ends { builder.program.code[end] = .jump(Int32(here)) }
    builder.program.code[chooser] = .choose(Int32(builder.program.choices.count))
    builder.program.choices.append(choice)
    return takesTime
  }

  /// `repeat: {times: 8, do: [...]}`.
  func repeated(_ fields: Tree, _ span: Span) -> Bool {
    guard let times = fields["times"].flatMap({ reading.integer($0, "times", 1...1_000_000_000) }),
      let steps = fields["do"]
    else { return false }
    guard repeatDepth < ScenarioLimits.repeatDepthMax else {
      findings.add(
        .limit, "`repeat` nests at most \(ScenarioLimits.repeatDepthMax) deep", at: span)
      return false
    }
    let depth = Int16(repeatDepth)
    emit(.repeatBegin(depth: depth, count: Int32(times)))
    let begin = here
    repeatDepth += 1
    let takesTime = inner(steps, "`do`")
    repeatDepth -= 1
    emit(.repeatEnd(depth: depth, begin: Int32(begin)))
    if !takesTime, times > 1000 {
      findings.add(
        .endless, "\(times) rounds of steps that may take no time", at: span,
        notes: ["add a `work:`"])
    }
    return takesTime
  }
}

/// Jumps that lead to jumps go where those lead: a turn has no more ops than it needs.
enum JumpThreading {
  static func run(_ program: inout Program) {
    let code = program.code
    func target(_ place: Int32) -> Int32 {
      var place = place
      // A loop of jumps only has no way out; the count ends the search.
      for _ in 0..<code.count {
        guard code.indices.contains(Int(place)), case .jump(let next) = code[Int(place)] else {
          return place
        }
        place = next
      }
      return place
    }
    for index in program.code.indices {
      switch program.code[index] {
      case .jump(let place): program.code[index] = .jump(target(place))
      case .whenFull(let slot, let place):
        program.code[index] = .whenFull(slot, otherwise: target(place))
      case .whenEmpty(let slot, let place):
        program.code[index] = .whenEmpty(slot, otherwise: target(place))
      case .whenVmalloc(let slot, let place):
        program.code[index] = .whenVmalloc(slot, otherwise: target(place))
      case .tryLock(let lock, let irqs, let place):
        program.code[index] = .tryLock(lock, irqs: irqs, otherwise: target(place))
      default: break
      }
    }
    for index in program.choices.indices {
      program.choices[index].places = program.choices[index].places.map {
        Int(target(Int32($0)))
      }
    }
  }
}
