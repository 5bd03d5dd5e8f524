%% @private
%% @doc What a lane still has to write: the batch being gathered, and two queues for when the helper
%% does not read. Control (every request but payload) may run ahead of payload, so that the receive or
%% close that unblocks a sender is not stuck behind it. The port is never given more than it can hold:
%% a port over its busy limit would suspend the lane, and with it every caller.
-module(gosocket_outbox).

-export([new/2,
         count/1,
         open/1,
         close/4,
         request/3,
         control/2,
         tell/2,
         payload/2,
         patient/3,
         may_wait/1,
         consumed/2,
         passed/1,
         has_room/1,
         flush/1,
         busy_limits/0]).

-export_type([outbox/0]).

-include("gosocket_batch.hrl").

%% Bytes that the helper has not read: up to the first, payload goes out, up to the second, control.
-define(PAYLOAD_WINDOW, (2 bsl 20)).
-define(CONTROL_WINDOW, (2 * ?PAYLOAD_WINDOW)).

%% Bytes of a frame that are not items: length, version, list head and tail.
-define(FRAME_OVERHEAD, 11).

%% Microseconds that a batch may wait for more when nobody waits for any of it.
-define(PATIENCE, 50).

-record(more,
        {port :: port(),
         frame_limit :: pos_integer(),
         %% calls that were answered without an item since the batch began
         passed = 0 :: non_neg_integer(),
         %% items that nobody waits for, and since when there are only such
         patient = 0 :: non_neg_integer(),
         since = 0 :: integer(),
         unread = 0 :: integer(),
         %% how many wait in the queues
         waiting = 0 :: non_neg_integer(),
         control = queue:new() :: queue:queue(gosocket_term:item()),
         payload = queue:new() :: queue:queue(gosocket_term:item())}).

%% What each item changes, and the rest.
-record(outbox,
        {batch = [] :: gosocket_term:batch(),
         count = 0 :: non_neg_integer(),
         bytes = 0 :: non_neg_integer(),
         more :: #more{}}).

%% Improper on purpose: each item is the tail of a cell.
-dialyzer({no_improper_lists, [add/3]}).

%% On the way of each call.
-compile({inline, [control/3, payload/3, add/3]}).

-opaque outbox() :: #outbox{}.

-include("gosocket_reload.hrl").

-spec new(port(), FrameLimit :: pos_integer()) -> outbox().
new(Port, FrameLimit) ->
    #outbox{more = #more{port = Port, frame_limit = FrameLimit}}.

%% @doc Limits above anything the windows let through: the port never gets busy.
-spec busy_limits() -> {Low :: pos_integer(), High :: pos_integer()}.
busy_limits() ->
    {2 * ?CONTROL_WINDOW, 4 * ?CONTROL_WINDOW}.

%% @doc The number of items of the batch.
-spec count(outbox()) -> non_neg_integer().
count(#outbox{count = Count}) ->
    Count.

%% @doc The batch, where nothing stands in the way of requests that have room in it: who adds some closes it again.
-spec open(outbox()) -> {gosocket_term:batch(), Count :: non_neg_integer(), Bytes :: non_neg_integer()} | closed.
open(#outbox{batch = Batch, count = Count, bytes = Bytes, more = #more{unread = Unread, waiting = 0, frame_limit = Limit}})
  when ?IS_OPEN(Count, Bytes), Unread < ?PAYLOAD_WINDOW - ?BATCH_BYTES, Limit >= ?BATCH_BYTES + ?FRAME_OVERHEAD ->
    {Batch, Count, Bytes};
open(_) ->
    closed.

-spec close(gosocket_term:batch(), Count :: non_neg_integer(), Bytes :: non_neg_integer(), outbox()) -> outbox().
close(Batch, Count, Bytes, Outbox) ->
    Outbox#outbox{batch = Batch, count = Count, bytes = Bytes}.

%% @doc A call with this id, which has to wait when it is a payload and the helper is slow. A frame above the helper's
%% limit would end it.
-spec request(Id :: non_neg_integer(), gosocket_term:item(), outbox()) -> outbox() | too_large.
request(Id, Item, #outbox{more = #more{frame_limit = Limit}} = Outbox) ->
    case Item of
        _ when is_binary(Item), byte_size(Item) + ?FRAME_OVERHEAD + ?BATCH_BYTES =< Limit ->
            control(gosocket_term:request(Id, Item), byte_size(Item) + ?REQUEST_HEAD, Outbox);
        [Head | First] when byte_size(Head) + byte_size(First) + ?FRAME_OVERHEAD + ?BATCH_BYTES =< Limit ->
            payload(gosocket_term:request(Id, Item), byte_size(Head) + byte_size(First) + ?REQUEST_HEAD, Outbox);
        _ ->
            too_large
    end.

%% @doc Terms that are no requests.
-spec tell([tuple()], outbox()) -> outbox().
tell(Items, Outbox) ->
    lists:foldl(fun(Item, Out) -> control(gosocket_term:item(Item), Out) end, Outbox, Items).

-spec control(gosocket_term:item(), outbox()) -> outbox().
control(Item, Outbox) ->
    control(Item, gosocket_term:size(Item), Outbox).

-spec control(gosocket_term:item(), pos_integer(), outbox()) -> outbox().
control(Item, Size, #outbox{bytes = Bytes, more = #more{unread = Unread, waiting = 0}} = Outbox) when Unread + Bytes < ?CONTROL_WINDOW ->
    add(Item, Size, Outbox);
control(Item, _Size, #outbox{more = #more{control = Queue, waiting = Waiting} = More} = Outbox) ->
    release(Outbox#outbox{more = More#more{control = queue:in(Item, Queue), waiting = Waiting + 1}}).

-spec payload(gosocket_term:item(), outbox()) -> outbox().
payload(Item, Outbox) ->
    payload(Item, gosocket_term:size(Item), Outbox).

-spec payload(gosocket_term:item(), pos_integer(), outbox()) -> outbox().
payload(Item, Size, #outbox{bytes = Bytes, more = #more{unread = Unread, waiting = 0}} = Outbox) when Unread + Bytes < ?PAYLOAD_WINDOW ->
    add(Item, Size, Outbox);
payload(Item, _Size, #outbox{more = #more{payload = Queue, waiting = Waiting} = More} = Outbox) ->
    Outbox#outbox{more = More#more{payload = queue:in(Item, Queue), waiting = Waiting + 1}}.

%% @doc The same, or control, that nobody waits for.
-spec patient(control | payload, gosocket_term:item(), outbox()) -> outbox().
patient(Kind, Item, #outbox{count = 0, more = More} = Outbox) ->
    patiently(Kind, Item, Outbox#outbox{more = More#more{patient = 1, since = erlang:monotonic_time(microsecond)}});
patient(Kind, Item, #outbox{more = #more{patient = Patient} = More} = Outbox) ->
    patiently(Kind, Item, Outbox#outbox{more = More#more{patient = Patient + 1}}).

-spec patiently(control | payload, gosocket_term:item(), outbox()) -> outbox().
patiently(control, Item, Outbox) -> control(Item, Outbox);
patiently(payload, Item, Outbox) -> payload(Item, Outbox).

%% @doc Whether all of the batch is of that kind and has not waited for long.
-spec may_wait(outbox()) -> boolean().
may_wait(#outbox{count = Count, more = #more{patient = Count, since = Since}}) when Count > 0 ->
    erlang:monotonic_time(microsecond) - Since < ?PATIENCE;
may_wait(_) ->
    false.

%% @doc Whether payload goes out with the next batch.
-spec has_room(outbox()) -> boolean().
has_room(#outbox{more = #more{waiting = Waiting}} = Outbox) ->
    Waiting =:= 0 andalso has_room(?PAYLOAD_WINDOW, Outbox).

-spec has_room(pos_integer(), outbox()) -> boolean().
has_room(Window, #outbox{bytes = Bytes, more = #more{unread = Unread}}) ->
    Unread + Bytes < Window.

-spec add(gosocket_term:item(), pos_integer(), outbox()) -> outbox().
add(Item, Size, #outbox{batch = Batch, count = Count, bytes = Bytes} = Outbox) when Count < ?BATCH_ITEMS - 1, Bytes + Size < ?BATCH_BYTES ->
    Outbox#outbox{batch = [Batch | Item], count = Count + 1, bytes = Bytes + Size};
add(Item, Size, #outbox{batch = Batch, count = Count, bytes = Bytes} = Outbox) ->
    flush(Outbox#outbox{batch = [Batch | Item], count = Count + 1, bytes = Bytes + Size}).

%% @doc The helper has read so many bytes: what waited for that joins the batch.
-spec consumed(non_neg_integer(), outbox()) -> outbox().
consumed(Bytes, #outbox{more = #more{unread = Unread} = More} = Outbox) ->
    release(Outbox#outbox{more = More#more{unread = Unread - Bytes}}).

-spec release(outbox()) -> outbox().
release(#outbox{more = #more{waiting = 0}} = Outbox) ->
    Outbox;
release(#outbox{more = #more{control = Control, payload = Payload, waiting = Waiting} = More} = Outbox) ->
    case {queue:out(Control), queue:out(Payload)} of
        {{{value, Item}, Rest}, _} ->
            case has_room(?CONTROL_WINDOW, Outbox) of
                true -> release(add(Item, gosocket_term:size(Item), Outbox#outbox{more = More#more{control = Rest, waiting = Waiting - 1}}));
                false -> Outbox
            end;
        {_, {{value, Item}, Rest}} ->
            case has_room(?PAYLOAD_WINDOW, Outbox) of
                true -> release(add(Item, gosocket_term:size(Item), Outbox#outbox{more = More#more{payload = Rest, waiting = Waiting - 1}}));
                false -> Outbox
            end
    end.

%% @doc A call was answered that needs no item: a batch does not wait for many of them.
-spec passed(outbox()) -> outbox().
passed(#outbox{count = 0} = Outbox) -> Outbox;
passed(#outbox{more = #more{passed = Passed} = More} = Outbox) when Passed < ?BATCH_ITEMS -> Outbox#outbox{more = More#more{passed = Passed + 1}};
passed(Outbox) -> flush(Outbox).

%% @doc Writes the batch. A closed port is no error here: its exit message is on the way.
-spec flush(outbox()) -> outbox().
flush(#outbox{count = 0} = Outbox) ->
    Outbox;
flush(#outbox{batch = Batch, count = Count, bytes = Bytes, more = #more{port = Port, unread = Unread} = More}) ->
    Size = Bytes + case Count of 1 -> 5; _ -> ?FRAME_OVERHEAD - 1 end,
    try
        port_command(Port, gosocket_term:frame(Count, Batch))
    catch
        error:badarg -> true
    end,
    #outbox{more = More#more{passed = 0, patient = 0, unread = Unread + Size}}.
