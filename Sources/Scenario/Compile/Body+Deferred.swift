import Kernel

/// Steps that put work off: to a kworker, a timer, a tasklet.
extension Body {
  /// Returns: whether it is sure to take time.
  func putOff(_ name: String, _ fields: Tree, _ span: Span) -> Bool {
    putsOff = putsOff || !["flush_work", "stop_machine"].contains(name)
    switch name {
    case "tasklet_schedule":
      guard let place = deferred(fields["tasklet"], "tasklet") else { return false }
      emit(.taskletSchedule(place))
      return false
    case "mod_timer":
      guard let place = deferred(fields["timer"], "timer"), let delay = delay(fields) else {
        return false
      }
      emit(.modTimer(place, distribution: delay))
      return false
    case "schedule_delayed_work":
      guard let place = deferred(fields["work"], "work item"), let delay = delay(fields) else {
        return false
      }
      emit(.scheduleDelayed(place, distribution: delay))
      return false
    default: break
    }
    guard let place = deferred(fields["work"], "work item") else { return false }
    let operation = builder.operation(
      "\(name)(\(builder.program.deferred[Int(place)].name))", span)
    if name == "stop_machine" {
      emit(.stopMachine(place, operation: operation))
      return true
    }
    if name == "flush_work" {
      emit(.flushWork(place, operation: operation))
      return false
    }
    var cpu = -1
    if let tree = fields["cpu"] {
      let most = builder.isMachineKnown ? builder.machine.cpus.count - 1 : 4095
      guard let number = reading.integer(tree, "cpu", 0...most) else { return false }
      cpu = number
    }
    emit(.scheduleWork(place, cpu: Int16(cpu), operation: operation))
    return false
  }

  private func delay(_ fields: Tree) -> Int32? {
    fields["delay"].flatMap { builder.time($0, "`delay`") }.map { builder.place(of: $0) }
  }

  /// The place of a work item, timer or tasklet among the program's.
  private func deferred(_ tree: Tree?, _ what: String) -> Int16? {
    guard let tree, let name = reading.text(tree, "a \(what)") else { return nil }
    let known = builder.program.deferred.enumerated().filter { _, item in
      switch item.kind {
      case .work: what == "work item"
      case .timer: what == "timer"
      case .tasklet, .hiTasklet: what == "tasklet"
      }
    }
    if let found = known.first(where: { $0.element.name == name }) { return Int16(found.offset) }
    let section = what == "work item" ? "work" : "\(what)s"
    findings.unknown(
      .unknownName, what, name, among: known.map(\.element.name), at: tree.span,
      notes: known.isEmpty ? ["declare it: `\(section): {\(name): {do: [...]}}`"] : [])
    return nil
  }
}
