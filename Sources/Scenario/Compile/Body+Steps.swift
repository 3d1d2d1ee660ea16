import Kernel

/// One step: its name is looked up, its keys are checked, its op is appended.
extension Body {
  /// Returns: whether it is sure to take time.
  func step(_ tree: Tree) -> Bool {
    if role == .nmi { refuseInNMI(tree) }
    if let word = tree.text { return bare(word, tree) }
    guard let map = tree.map, let entry = map.first, map.count == 1 else {
      let isEmpty = tree.map?.isEmpty != false
      findings.add(
        .wrongKind, isEmpty ? "a step is missing here" : "a step is one name with its details",
        at: tree.span, label: "as in `kmalloc: {size: 64B, as: object}`",
        notes: isEmpty ? [] : ["each step begins with a dash of its own; did indentation slip?"])
      return false
    }
    guard let step = Words.step(entry.key) else {
      if Words.bareSteps.contains(entry.key) {
        guard !entry.value.isNothing, entry.value.map?.isEmpty != true else {
          return bare(entry.key, tree)
        }
        findings.add(
          .wrongKind, "`\(entry.key)` takes nothing", at: entry.value.span,
          label: "write `- \(entry.key)`")
        return false
      }
      unknown(entry.key, entry.keySpan)
      return false
    }
    if ["work", "user_work", "sleep"].contains(step.name) { return spend(step.name, entry.value) }
    if step.name == "choose" { return choose(entry.value) }
    guard let fields = fields(of: step, entry) else { return false }
    return run(step.name, fields, entry.keySpan)
  }

  /// An NMI may come between any two instructions: no lock that masks is safe from it, so no allocator
  /// may be called. Kernel: "kmalloc() is not NMI-safe" as mm/slub.c assumes to 6.17; vfree() is a
  /// BUG_ON(in_nmi()), and may be tried.
  private func refuseInNMI(_ tree: Tree) {
    guard let name = tree.text ?? tree.map?.first?.key,
      Words.step(name) != nil || Words.bareSteps.contains(name), !Words.nmiSteps.contains(name)
    else { return }
    findings.add(
      .misplaced, "an NMI may not `\(Spelling.shown(name))`", at: tree.span,
      notes: ["it may: " + Words.nmiSteps.prefix(6).joined(separator: ", ") + " and predicates"])
  }

  /// The step's keys as a mapping, the short form made long.
  private func fields(of step: Words.Step, _ entry: Tree.Entry) -> Tree? {
    var value = entry.value
    if let main = step.main,
      value.text != nil || main == "objects" && value.list != nil
    {
      let whole = Tree.Entry(key: main, keySpan: value.span, value: value)
      value = Tree(kind: .map([whole]), span: value.span)
    }
    if value.isNothing { value.kind = .map([]) }
    if value.map?.isEmpty == true { value.span = entry.keySpan }
    return reading.fields(value, "`\(step.name)`", known: step.keys, required: step.required)
  }

  private func unknown(_ word: String, _ span: Span) {
    if Words.stepsLater.contains(word) {
      findings.add(
        .notYet, "this version does not have `\(word)` yet", at: span,
        notes: ["the language knows the step; docs/SCENARIOS.md lists those that are built"])
    } else if let name = Words.renamed[word] {
      findings.add(
        .unknownStep, "unknown step `\(word)`", at: span, label: "it is called `\(name)` here")
    } else {
      findings.unknown(.unknownStep, "step", word, among: Words.stepNames, at: span)
    }
  }

  private func run(_ name: String, _ fields: Tree, _ span: Span) -> Bool {
    switch name {
    case "kfree": return free(.kfree, fields, span)
    case "kfree_sensitive": return free(.kfreeSensitive, fields, span)
    case "kfree_rcu": return freeLater(.kfreeRCU, fields, span)
    case "kfree_rcu_mightsleep": return freeLater(.kfreeRCUMightSleep, fields, span)
    case "kmem_cache_alloc_bulk": return allocateBulk(fields, span)
    case "kmem_cache_free_bulk", "kfree_bulk": return freeBulk(name, fields, span)
    case "kmem_cache_prefill_sheaf": return prefillSheaf(fields, span)
    case "kmem_cache_refill_sheaf": return refillSheaf(fields, span)
    case "kmem_cache_alloc_from_sheaf": return allocateFromSheaf(fields, span)
    case "kmem_cache_return_sheaf": return returnSheaf(fields, span)
    case "ksize": return ksize(fields, span)
    case "free_pages": return free(.freePages, fields, span)
    case "vfree": return free(.vfree, fields, span)
    case "vfree_atomic": return freeAtomically(fields, span)
    case "vmalloc_to_page": return translate(.vmallocToPage, name, fields, span)
    case "virt_to_phys": return translate(.virtToPhys, name, fields, span)
    case "virt_to_page": return translate(.virtToPage, name, fields, span)
    case "is_vmalloc_addr": return whenVmalloc(fields)
    case let name where ContextPredicate.allCases.contains { $0.text == name }:
      return whenContext(name, fields)
    case "kvfree": return free(.kvfree, fields, span)
    case "vunmap": return free(.vunmap, fields, span)
    case "vm_unmap_ram": return free(.vmUnmapRAM, fields, span)
    case "kmem_cache_free": return free(.kmemCacheFree, fields, span)
    case "forget": return forget(fields)
    case "touch": return touch(fields, span)
    case "kmem_cache_create", "kmem_cache_shrink", "kmem_cache_destroy":
      return cacheStep(name, fields, span)
    case "lock": return lock(fields)
    case "unlock": return unlock(fields)
    case "raise": return raise(fields)
    case "schedule_work", "schedule_work_on", "schedule_delayed_work", "flush_work",
      "tasklet_schedule", "mod_timer", "stop_machine":
      return putOff(name, fields, span)
    case "hand_over": return handOver(fields, span)
    case "repeat": return repeated(fields, span)
    case "when": return when(fields, span)
    case "pick": return pick(fields)
    case "pick_next": return pickNext(fields)
    case "count":
      if let counter = fields["counter"], let name = reading.name(counter, "a counter") {
        emit(.count(builder.counter(name)))
      }
      return false
    default:
      if let word = LockWord.byName[name] { return lockStep(word, fields, span) }
      return allocate(name, fields, span)
    }
  }

  // MARK: Steps without details

  private func bare(_ word: String, _ tree: Tree) -> Bool {
    switch word {
    case "local_irq_disable": return disable(.irqs, word)
    case "local_bh_disable": return disable(.bottomHalves, word)
    case "preempt_disable": return disable(.preemption, word)
    case "local_irq_enable": return enable(.irqs, word, tree)
    case "local_bh_enable": return enable(.bottomHalves, word, tree)
    case "preempt_enable": return enable(.preemption, word, tree)
    case "cond_resched":
      emit(.condResched)
      return false
    case "vm_unmap_aliases":
      emit(.vmUnmapAliases(operation: builder.operation(word, tree.span)))
      return true
    case "synchronize_rcu":
      emit(.synchronizeRCU(operation: builder.operation(word, tree.span)))
      return true
    case "drain_all_pages":
      emit(.drainAllPages(operation: builder.operation(word, tree.span)))
      return true
    default:
      guard let step = Words.step(word) else {
        unknown(word, tree.span)
        return false
      }
      findings.add(
        .missingKey, "`\(word)` needs \(step.required.first.map { "`\($0):`" } ?? "a value")",
        at: tree.span)
      return false
    }
  }

  private func disable(_ mask: Mask, _ word: String) -> Bool {
    if heldCount() >= 16 {
      findings.add(.limit, "more than 16 things held or disabled at a time", at: nil)
      return false
    }
    emit(.disable(mask))
    held.append(.masked(mask, word))
    return false
  }

  private func enable(_ mask: Mask, _ word: String, _ tree: Tree) -> Bool {
    let place = held.lastIndex { if case .masked(mask, _) = $0 { true } else { false } }
    guard let place else {
      findings.add(
        .unbalanced, "`\(word)` without its disable in this list of steps", at: tree.span)
      return false
    }
    held.remove(at: place)
    emit(.enable(mask))
    return false
  }

  // MARK: Time

  private func spend(_ name: String, _ tree: Tree) -> Bool {
    guard let time = builder.time(tree, "`\(name)`") else { return false }
    let place = builder.place(of: time)
    switch name {
    case "work": emit(.work(distribution: place))
    case "user_work":
      if role != .thread {
        findings.add(
          .misplaced, "an interrupt has no user mode", at: tree.span, notes: ["write `work`"])
      }
      emit(.userWork(distribution: place))
    default: emit(.sleep(distribution: place))
    }
    switch time {
    case .constant(let length): return length > 0
    case .uniform(_, let through): return through > 0
    case .exponential(let mean): return mean > 0
    }
  }

  // MARK: Softirqs

  private func raise(_ fields: Tree) -> Bool {
    guard let tree = fields["softirq"],
      let word = reading.word(tree, "softirq", among: SoftIRQ.allCases.map(\.key)),
      let vector = SoftIRQ.allCases.first(where: { $0.key == word })
    else { return false }
    if !builder.softirqs.contains(vector) {
      findings.add(
        .unknownName, "no interrupt has a `softirq:` called \(word)", at: tree.span,
        notes: ["raising it would run nothing"])
    }
    raised.insert(vector)
    emit(.raise(vector))
    return false
  }
}
