/* Intrusive doubly linked list. The list is a ring through its head; a node is in at most one. */
#ifndef BASE_LIST_H
#define BASE_LIST_H

#include "base/compiler.h"

#include <stdbool.h>

struct list_node {
    struct list_node *next, *previous;
};

struct list {
    struct list_node head;
};

static inline void list_init(struct list *l)
{
    l->head.next = l->head.previous = &l->head;
}
static inline bool list_is_empty(const struct list *l)
{
    return l->head.next == &l->head;
}
static inline void list_insert_before(struct list_node *at, struct list_node *node)
{
    node->next = at;
    node->previous = at->previous;
    at->previous->next = node;
    at->previous = node;
}
static inline void list_append(struct list *l, struct list_node *node)
{
    list_insert_before(&l->head, node);
}
static inline void list_prepend(struct list *l, struct list_node *node)
{
    list_insert_before(l->head.next, node);
}
/* Removes the node. A node that is in no list must be zeroed, and removing it does nothing. */
static inline void list_remove(struct list_node *node)
{
    if (node->next == NULL)
        return;
    node->previous->next = node->next;
    node->next->previous = node->previous;
    node->next = node->previous = NULL;
}
static inline bool list_contains(const struct list_node *node)
{
    return node->next != NULL;
}
/* Removes and returns the first node, or NULL. */
static inline struct list_node *list_pop(struct list *l)
{
    if (list_is_empty(l))
        return NULL;
    struct list_node *node = l->head.next;
    list_remove(node);
    return node;
}
static inline struct list_node *list_first(struct list *l)
{
    return list_is_empty(l) ? NULL : l->head.next;
}
/* Moves everything from `from` to the end of `to`, in constant time. */
static inline void list_take_all(struct list *to, struct list *from)
{
    if (list_is_empty(from))
        return;
    struct list_node *first = from->head.next, *last = from->head.previous;
    first->previous = to->head.previous;
    to->head.previous->next = first;
    last->next = &to->head;
    to->head.previous = last;
    list_init(from);
}

#define LIST_FOR_EACH(node, list) \
    for (struct list_node *node = (list)->head.next; node != &(list)->head; node = node->next)
/* The body may remove `node`. */
#define LIST_FOR_EACH_SAFE(node, list)                                          \
    for (struct list_node *node = (list)->head.next, *node##_next = node->next; \
         node != &(list)->head; node = node##_next, node##_next = node->next)

#endif
