import Hardware
import Simulation

/// Which pool `pick` chooses from: the thread's own, or by weight that of another of its group.
package struct Pick: BitwiseCopyable, Sendable {
  /// The pool's first slot in each thread of the group, and its length.
  package var slot: SlotRef
  package var count: Int32
  /// Of `own + next` picks, this many are of the own pool and of the next thread's in the group.
  package var own: Int32
  package var next: Int32

  package init(slot: SlotRef, count: Int32, own: Int32, next: Int32) {
    (self.slot, self.count, self.own, self.next) = (slot, count, own, next)
  }
}

/// Places with weights.
package struct Choice: Sendable {
  package var places: [Int]
  package var weights: [Int]
  package init(places: [Int], weights: [Int]) { (self.places, self.weights) = (places, weights) }
}

/// Objects passed to another thread, which frees or uses them.
package struct HandOver: BitwiseCopyable, Sendable {
  /// Slots of one hand-over, in the order in which they arrive.
  package static let slotsMax = 4
  package var group: Int32
  package var slots = InlineArray<4, SlotRef>(repeating: SlotRef(0))
  package var count: Int32
  /// Where to go on when the receiver's box is full; the objects stay.
  package var otherwise: Int32
  package var operation: Int16

  package init(group: Int, slots: [SlotRef], otherwise: Int, operation: Int) {
    self.group = Int32(group)
    count = Int32(slots.count)
    for (place, slot) in slots.enumerated() { self.slots[place] = slot }
    self.otherwise = Int32(otherwise)
    self.operation = Int16(operation)
  }
}
