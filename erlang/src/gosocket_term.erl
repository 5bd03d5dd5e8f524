%% @private
%% @doc The parts of the external term format that are built by hand: requests with their payload
%% behind them, and batches. Everything else is `term_to_binary/1' and `binary_to_term/1'.
-module(gosocket_term).

-export([item/1,
         item/2,
         size/1,
         request/2,
         frame/2,
         is_final/1]).

-compile({no_auto_import, [size/1]}).

-export_type([item/0, batch/0]).

-include("gosocket.hrl").
-include("gosocket_batch.hrl").

%% Improper on purpose: a binary as the tail saves a cell.
-dialyzer({no_improper_lists, [item/2, request/2, frame/2]}).

%% A term without its version byte, in parts: a payload is not copied.
-type item() :: binary() | nonempty_improper_list(binary(), item()).

%% Items, each behind those before it.
-type batch() :: [] | nonempty_improper_list(batch(), item()).

-define(VERSION, 131).
-define(SMALL_TUPLE, 104).
-define(LIST, 108).
-define(NIL, 106).
-define(BINARY, 109).

%% Up to this size copying a payload is cheaper than carrying it as a term of its own.
-define(INLINE, 512).

-include("gosocket_reload.hrl").

-spec item(term()) -> binary().
item(Term) ->
    <<?VERSION, Item/binary>> = term_to_binary(Term),
    Item.

%% @doc The tuple with the payload as its last element.
-spec item(tuple(), Payload :: binary()) -> item().
item(Tuple, Payload) when byte_size(Payload) =< ?INLINE ->
    item(erlang:append_element(Tuple, Payload));
item(Tuple, Payload) ->
    <<?VERSION, ?SMALL_TUPLE, Arity, Elements/binary>> = term_to_binary(Tuple),
    [<<?SMALL_TUPLE, (Arity + 1), Elements/binary, ?BINARY, (byte_size(Payload)):32>> | Payload].

-spec size(item()) -> pos_integer().
size([First | Rest]) -> byte_size(First) + size(Rest);
size(Item) -> byte_size(Item).

%% @doc `{Id, Call}'.
-spec request(Id :: non_neg_integer(), item()) -> item().
request(Id, Item) ->
    [?REQUEST(Id) | Item].

%% @doc One frame: the item alone, or a list.
-spec frame(Count :: pos_integer(), batch()) -> iolist().
frame(1, [[] | Item]) ->
    [?VERSION | Item];
frame(Count, Batch) ->
    [<<?VERSION, ?LIST, Count:32>>, Batch, ?NIL].

%% @doc Whether an answer to a call is its last: a result of the helper's, or anything that is no frame.
-spec is_final(Answer :: term()) -> boolean().
is_final(<<?ANSWER(_), _/binary>>) -> true;
is_final(Answer) -> not is_binary(Answer).
