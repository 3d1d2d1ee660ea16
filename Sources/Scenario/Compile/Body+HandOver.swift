import Kernel

/// Objects that go to another thread.
extension Body {
  /// `hand_over: {to: reader, objects: [data, head]}`.
  func handOver(_ fields: Tree, _ span: Span) -> Bool {
    guard let to = fields["to"], let objects = fields["objects"],
      let name = reading.text(to, "`to`")
    else { return false }
    guard let receiver = builder.receivers[name] else {
      findings.unknown(.unknownName, "thread", name, among: builder.threadNames, at: to.span)
      return false
    }
    if !receiver.isReceiving {
      findings.add(
        .misplaced, "`\(name)` receives nothing: it has no `each:`", at: to.span,
        notes: ["a thread that others hand objects to has `each:` steps in the place of `loop:`"])
    } else if receiver.isEmpty {
      findings.add(
        .cpus, "no thread `\(name)` runs on this machine: its `on: others` is nobody",
        at: to.span)
    }
    let trees = reading.list(objects, "objects", orText: true)
    guard (1...HandOver.slotsMax).contains(trees.count) else {
      findings.add(
        .range, "a hand-over passes one to \(HandOver.slotsMax) objects", at: objects.span)
      return false
    }
    let names = trees.compactMap(\.text)
    if let expected = receiver.objects, expected != names {
      findings.add(
        .misplaced, "`\(name)` is handed [\(expected.joined(separator: ", "))] elsewhere",
        at: objects.span,
        notes: ["all hand-overs to a thread pass the same names in the same order"])
    }
    let slots = trees.compactMap { self.slot($0, "an object") }
    guard slots.count == trees.count else { return false }
    let index = builder.program.handOvers.count
    builder.program.handOvers.append(
      HandOver(
        group: receiver.group, slots: slots, otherwise: -1,
        operation: Int(builder.operation("hand_over", span))))
    emit(.handOver(Int32(index)))
    onFailure(fields["on-failure"], .handOver(index), byDefault: "drop")
    for slot in slots { noteEmptied(slot) }
    return true
  }
}
