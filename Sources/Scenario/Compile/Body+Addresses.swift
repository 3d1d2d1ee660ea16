import Kernel

/// Steps that ask what an address is, and where in memory.
extension Body {
  /// `vmalloc_to_page: {object: area, offset: 8KiB}`, `virt_to_phys: data`.
  func translate(_ api: TranslateAPI, _ name: String, _ fields: Tree, _ span: Span) -> Bool {
    var offset: UInt32 = 0
    if let tree = fields["offset"] {
      guard let bytes = self.offset(tree) else { return false }
      offset = bytes
    }
    guard let tree = fields["object"], let slot = slot(tree, "`object`") else { return false }
    emit(
      .translate(
        api, slot, offset: offset, operation: builder.operation(name, span)))
    return false
  }

  /// Bytes into an object.
  func offset(_ tree: Tree) -> UInt32? {
    guard let bytes = reading.size(tree, "offset", atLeast: 0) else { return nil }
    guard bytes <= UInt64(UInt32.max) else {
      findings.add(.range, "offset is less than 4GiB", at: tree.span)
      return nil
    }
    return UInt32(bytes)
  }

  /// `is_vmalloc_addr: {object: data, then: [...], else: [...]}`. NULL is none.
  func whenVmalloc(_ fields: Tree) -> Bool {
    guard let tree = fields["object"], let then = fields["then"],
      let slot = slot(tree, "`object`")
    else { return false }
    return whether(then, fields) { .whenVmalloc(slot, otherwise: $0) }
  }

  /// `in_interrupt: {then: [...], else: [...]}` and the like.
  func whenContext(_ name: String, _ fields: Tree) -> Bool {
    guard let then = fields["then"],
      let predicate = ContextPredicate.allCases.first(where: { $0.text == name })
    else { return false }
    return whether(then, fields) { .whenContext(predicate, otherwise: $0) }
  }

  /// - Parameter op: goes on at `then`, or at the place that it is given.
  private func whether(_ then: Tree, _ fields: Tree, _ op: (Int32) -> Op) -> Bool {
    let test = emit(.end)
    var takesTime = inner(then, "`then`")
    let skip = emit(.end)
    builder.program.code[test] = op(Int32(here))
    if let other = fields["else"] {
      let alsoTakes = inner(other, "`else`")
      takesTime = takesTime && alsoTakes
    } else {
      takesTime = false
    }
    builder.program.code[skip] = .jump(Int32(here))
    return takesTime
  }
}
