/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Intrusive circular doubly linked list; the head is a node too. */
#ifndef UTIL_LIST_H
#define UTIL_LIST_H

#include "osdep.h"

typedef struct ListNode {
    struct ListNode *next, *prev;
} ListNode;

#define LIST_INIT(head) { &(head), &(head) }

static inline void list_init(ListNode *head)
{
    head->next = head->prev = head;
}

static inline bool list_empty(const ListNode *head)
{
    return head->next == head;
}

static inline void list_insert_before(ListNode *pos, ListNode *node)
{
    node->next = pos;
    node->prev = pos->prev;
    pos->prev->next = node;
    pos->prev = node;
}

static inline void list_append(ListNode *head, ListNode *node)
{
    list_insert_before(head, node);
}

static inline void list_prepend(ListNode *head, ListNode *node)
{
    list_insert_before(head->next, node);
}

/* Leaves @node self-linked, so that removing it twice is harmless. */
static inline void list_remove(ListNode *node)
{
    node->prev->next = node->next;
    node->next->prev = node->prev;
    list_init(node);
}

static inline bool list_linked(const ListNode *node)
{
    return node->next && node->next != node;
}

#define list_entry(node, type, member) container_of(node, type, member)
#define list_first(head, type, member) list_entry((head)->next, type, member)
#define list_foreach(var, head, member) \
    for (var = list_entry((head)->next, __typeof__(*var), member); \
         &var->member != (head); \
         var = list_entry(var->member.next, __typeof__(*var), member))
/* @var may be removed (and freed) in the body; no other node may. */
#define list_foreach_safe(var, tmp, head, member) \
    for (var = list_entry((head)->next, __typeof__(*var), member), \
        tmp = list_entry(var->member.next, __typeof__(*var), member); \
         &var->member != (head); \
         var = tmp, tmp = list_entry(var->member.next, __typeof__(*var), member))

#endif
