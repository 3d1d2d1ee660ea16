import Kernel

/// Steps that ask what an address is, and where in memory.
extension Body {
  /// `vmalloc_to_page: {object: area, offset: 8KiB}`, `virt_to_phys: data`.
  func translate(_ api: TranslateAPI, _ name: String, _ fields: Tree, _ span: Span) -> Bool {
    var offset: UInt64 = 0
    if let tree = fields["offset"] {
      guard let bytes = reading.size(tree, "offset", atLeast: 0) else { return false }
      guard bytes <= UInt64(UInt32.max) else {
        findings.add(.range, "offset is less than 4GiB", at: tree.span)
        return false
      }
      offset = bytes
    }
    guard let tree = fields["object"], let slot = slot(tree, "`object`") else { return false }
    emit(
      .translate(
        api, slot, offset: UInt32(offset), operation: builder.operation(name, span)))
    return false
  }

  /// `is_vmalloc_addr: {object: data, then: [...], else: [...]}`. NULL is none.
  func whenVmalloc(_ fields: Tree) -> Bool {
    guard let tree = fields["object"], let then = fields["then"],
      let slot = slot(tree, "`object`")
    else { return false }
    let test = emit(.end)
    var takesTime = inner(then, "`then`")
    let skip = emit(.end)
    builder.program.code[test] = .whenVmalloc(slot, otherwise: Int32(here))
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
