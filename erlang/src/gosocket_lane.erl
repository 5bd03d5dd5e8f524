%% @private
%% @doc A lane: the process that owns one helper's port. It gathers the requests in its mailbox into one
%% frame and routes each answer to its caller. This module is the path of a call; what is rarer is in
%% {@link gosocket_lane_route} and {@link gosocket_lane_life}. Calls that wait for their answer stand in the process
%% dictionary, the one table that costs nothing, as `Id => {Caller, Tag, Class, Ref, Socket}', or in short (see entry/0).
%%
%% When the helper is gone the lane answers its callers and ends; armed selects are the guardian's, and the next open
%% starts another.
-module(gosocket_lane).

-export([start_link/1]).

-export([init/2,
         resume/1]).

-export_type([lane/0, entry/0, kept/0, path/0]).

-include("gosocket.hrl").
-include("gosocket_batch.hrl").
-include("gosocket_lane.hrl").

-define(LAST_ID, 16#7fffffff).

-define(DEFAULT_LANE_SPIN, 60).
-define(DEFAULT_CALLER_SPIN, 15).

%% Rounds of waiting for more of what nobody waits for.
-define(GATHER, 15).

%% The helper learns of so many results that they have reached their receivers without having to ask.
-define(UNCONFIRMED, 32).

-type lane() :: #lane{}.

%% A proxy's calls have `{far, Caller, Reference}' for a tag.
-type entry() :: {pid(), Tag :: reference() | {far, pid(), reference()}, gosocket_wait:class(), Ref :: reference() | [],
                  %% of an open: whether the socket goes into the registry
                  Socket :: non_neg_integer() | boolean()}.

%% What stands for it: of the receives and sends of every day something shorter, which {@link gosocket_request:entry/1} makes
%% one of.
-type kept() :: {pid(), reference(), Socket :: non_neg_integer()}
              | {pid(), reference(), write, Socket :: non_neg_integer()}
              | entry().

%% The state of the path of a call: the next free number of a request; frames received, the hello included; how many of them
%% the helper has yet to learn are delivered; what is to be written; who calls.
-type path() :: {Next :: non_neg_integer(), Frames :: pos_integer(), Lent :: non_neg_integer(), gosocket_outbox:outbox(),
                 gosocket_quiet:quiet(), lane()}.

%% Improper on purpose: each item is the tail of a cell.
-dialyzer({no_improper_lists, [collect/13]}).

-include("gosocket_reload.hrl").

%% @doc Returns when the helper is started, before its hello: opens wait for that in the mailbox.
-spec start_link(Number :: non_neg_integer()) -> {ok, pid()} | {error, term()}.
start_link(Number) ->
    proc_lib:start_link(?MODULE, init, [self(), Number], infinity,
                        [{message_queue_data, off_heap}, {min_heap_size, 10000}, {fullsweep_after, 100}]).

-spec init(pid(), non_neg_integer()) -> no_return().
init(Parent, Number) ->
    process_flag(trap_exit, true),
    try gosocket_names:enroll(Number) of
        {ok, Known, Settings} ->
            started(Parent, Number, Known, Settings, gosocket_helper:start(gosocket_names:name(Number), Settings));
        {error, Reason} ->
            fail(Parent, {no_helper, Reason})
    catch
        exit:_ -> fail(Parent, no_lanes)
    end.

-spec started(pid(), non_neg_integer(), #gosocket_lane{}, gosocket_configuration:settings(), {ok, port()} | {error, atom()}) ->
          no_return().
started(Parent, Number, Known, Settings, {ok, Port}) ->
    gosocket_guardian:starting(gosocket_helper:program(Port)),
    proc_lib:init_ack(Parent, {ok, self()}),
    greeted(Parent, {Number, Known, Settings}, Port, gosocket_helper:hello(Parent, Port));
started(Parent, Number, _Known, Settings, {error, Posix}) ->
    gosocket_helper:log_failure(gosocket_names:name(Number), Posix, Settings),
    fail(Parent, {no_helper, Posix}).

-spec fail(pid(), term()) -> no_return().
fail(Parent, Reason) ->
    proc_lib:init_ack(Parent, {error, Reason}),
    exit({shutdown, Reason}).

-spec greeted(pid(), {non_neg_integer(), #gosocket_lane{}, gosocket_configuration:settings()}, port(), Hello) -> no_return() when
      Hello :: {ok, gosocket_helper:hello()} | {error, atom()} | {ended, Reason :: term()}.
greeted(Parent, {Number, Known, Settings}, Port, {ok, #{pid := OsPid, window := Window, frame_limit := Limit} = Hello}) ->
    {Guardian, Table} = gosocket_guardian:enroll(Number, OsPid, gosocket_helper:process(OsPid, Port)),
    Incarnation = gosocket_door:open(Number, Known, [{?WINDOW_WORD, Window},
                                                     {?SPIN_WORD, maps:get(caller_spin, Settings, ?DEFAULT_CALLER_SPIN)},
                                                     {?APART_WORD, gosocket_clock:expected(Hello)}]),
    gosocket_names:greeted(Number),
    Lane = #lane{parent = Parent,
                 guardian = Guardian,
                 home = {Number, Incarnation},
                 port = Port,
                 hello = Hello,
                 selects = gosocket_selects:new(Table),
                 settings = Known#gosocket_lane.settings},
    %% Ahead of the calls that wait in the mailbox: no socket is there before the clocks are compared. The answer to the
    %% hello is an answer that nobody waits for.
    Greetings = [{0, {hello, #{batch => true, ahead => true, process => self()}}}, gosocket_clock:question(Number), gosocket_registry:debug(Number)],
    resume({1, 1, 0, gosocket_outbox:tell(Greetings, gosocket_outbox:new(Port, Limit)),
            gosocket_quiet:new(maps:get(lane_spin, Settings, ?DEFAULT_LANE_SPIN), Known), Lane});
greeted(_Parent, {Number, _, Settings}, Port, {error, Posix}) ->
    gosocket_helper:log_failure(gosocket_names:name(Number), Posix, Settings),
    gosocket_helper:kill(gosocket_helper:os_pid(Port)),
    exit({shutdown, {no_helper, Posix}});
greeted(_Parent, _, Port, {ended, Reason}) ->
    gosocket_helper:kill(gosocket_helper:os_pid(Port)),
    exit(gosocket_lane_life:why(Reason)).

%% @doc Goes on with the loop.
-spec resume(path()) -> no_return().
resume({Next, Frames, Lent, Outbox, Quiet, Lane}) ->
    drain(Next, Frames, Lent, Outbox, Quiet, Lane).

%% The whole mailbox is read before the batch goes out. Handlers are tail calls: a lane that waits has
%% nothing on its stack (see gosocket_reload).

-spec loop(non_neg_integer(), pos_integer(), non_neg_integer(), gosocket_outbox:outbox(), gosocket_quiet:quiet(), lane()) ->
          no_return().
loop(Next, Frames, Lent, Outbox, Quiet, Lane) ->
    receive
        Message -> handle(Message, Next, Frames, Lent, Outbox, Quiet, Lane)
    end.

-spec drain(non_neg_integer(), pos_integer(), non_neg_integer(), gosocket_outbox:outbox(), gosocket_quiet:quiet(), lane()) ->
          no_return().
drain(Next, Frames, Lent, Outbox, Quiet, #lane{node = Node, ticking = true, loading = none} = Lane) when Node =:= node() ->
    case gosocket_outbox:open(Outbox) of
        {Batch, Count, Bytes} -> collect(Next, Batch, Count, Bytes, 0, Frames, Lent, Outbox, Quiet, Lane);
        closed -> take(Next, Frames, Lent, Outbox, Quiet, Lane)
    end;
drain(Next, Frames, Lent, Outbox, Quiet, Lane) ->
    take(Next, Frames, Lent, Outbox, Quiet, Lane).

-spec take(non_neg_integer(), pos_integer(), non_neg_integer(), gosocket_outbox:outbox(), gosocket_quiet:quiet(), lane()) ->
          no_return().
take(Next, Frames, Lent, Outbox, Quiet, Lane) ->
    receive
        Message -> handle(Message, Next, Frames, Lent, Outbox, Quiet, Lane)
    after 0 ->
        idle(Next, Frames, Lent, Outbox, Quiet, Lane)
    end.

%% Where nothing special is going on, requests that follow one another are only noted down and put into the batch, of which the parts stand
%% in the arguments meanwhile.
-spec collect(non_neg_integer(), gosocket_term:batch(), non_neg_integer(), non_neg_integer(), New :: non_neg_integer(), pos_integer(),
              non_neg_integer(), gosocket_outbox:outbox(), gosocket_quiet:quiet(), lane()) -> no_return().
collect(Next, Batch, Count, Bytes, New, Frames, Lent, Outbox, Quiet, Lane) when ?IS_OPEN(Count, Bytes) ->
    receive
        [Entry | Item] when is_binary(Item), byte_size(Item) =< ?SMALL_ITEM ->
            collect(Entry, Item, byte_size(Item), Next, Batch, Count, Bytes, New, Frames, Lent, Outbox, Quiet, Lane);
        [Entry | [Head | First] = Item] when byte_size(Head) + byte_size(First) =< ?SMALL_ITEM ->
            collect(Entry, Item, byte_size(Head) + byte_size(First), Next, Batch, Count, Bytes, New, Frames, Lent, Outbox, Quiet, Lane);
        Message ->
            handle(Message, Next, Frames, Lent, gosocket_outbox:close(Batch, Count, Bytes, Outbox), gosocket_quiet:calls(New, Next, Quiet), Lane)
    after 0 ->
        idle(Next, Frames, Lent, gosocket_outbox:close(Batch, Count, Bytes, Outbox), gosocket_quiet:calls(New, Next, Quiet), Lane)
    end;
collect(Next, Batch, Count, Bytes, New, Frames, Lent, Outbox, Quiet, Lane) ->
    take(Next, Frames, Lent, gosocket_outbox:close(Batch, Count, Bytes, Outbox), gosocket_quiet:calls(New, Next, Quiet), Lane).

-spec collect(kept(), gosocket_term:item(), Size :: non_neg_integer(), non_neg_integer(), gosocket_term:batch(), non_neg_integer(),
              non_neg_integer(), New :: non_neg_integer(), pos_integer(), non_neg_integer(), gosocket_outbox:outbox(), gosocket_quiet:quiet(),
              lane()) -> no_return().
collect(Entry, Item, Size, Next, Batch, Count, Bytes, New, Frames, Lent, Outbox, Quiet, #lane{ahead = Ahead} = Lane) ->
    case put(Next, Entry) of
        undefined ->
            case Ahead andalso gosocket_ahead:is_concerned(Entry, Next) of
                false ->
                    collect((Next + 1) band ?LAST_ID, [Batch, ?REQUEST(Next) | Item], Count + 1, Bytes + ?REQUEST_HEAD + Size, New + 1,
                            Frames, Lent, Outbox, Quiet, Lane);
                true ->
                    erase(Next),
                    called(Entry, Item, Next, Frames, Lent, gosocket_outbox:close(Batch, Count, Bytes, Outbox),
                           gosocket_quiet:calls(New, Next, Quiet), Lane)
            end;
        Waiting ->
            put(Next, Waiting),
            collect(Entry, Item, Size, (Next + 1) band ?LAST_ID, Batch, Count, Bytes, New, Frames, Lent, Outbox, Quiet, Lane)
    end.

-spec idle(non_neg_integer(), pos_integer(), non_neg_integer(), gosocket_outbox:outbox(), gosocket_quiet:quiet(), lane()) ->
          no_return().
idle(Next, Frames, Lent, Outbox, Quiet, Lane) when Lent >= ?UNCONFIRMED ->
    idle(Next, Frames, 0, deliver(Frames, Outbox), Quiet, Lane);
idle(Next, Frames, Lent, Outbox, Quiet, Lane) ->
    case gosocket_outbox:may_wait(Outbox) andalso gosocket_quiet:is_quiet(Quiet) of
        true -> gather(?GATHER, Next, Frames, Lent, Outbox, Quiet, Lane);
        false -> flushed(Next, Frames, Lent, Outbox, Quiet, Lane)
    end.

%% Who was answered ahead calls again soon: each batch has the kernel wake the helper.
-spec gather(non_neg_integer(), non_neg_integer(), pos_integer(), non_neg_integer(), gosocket_outbox:outbox(), gosocket_quiet:quiet(),
             lane()) -> no_return().
gather(0, Next, Frames, Lent, Outbox, Quiet, Lane) ->
    flushed(Next, Frames, Lent, Outbox, Quiet, Lane);
gather(Rounds, Next, Frames, Lent, Outbox, Quiet, Lane) ->
    receive
        Message -> handle(Message, Next, Frames, Lent, Outbox, Quiet, Lane)
    after 0 ->
        erlang:bump_reductions(4000),
        erlang:yield(),
        gather(Rounds - 1, Next, Frames, Lent, Outbox, Quiet, Lane)
    end.

-spec flushed(non_neg_integer(), pos_integer(), non_neg_integer(), gosocket_outbox:outbox(), gosocket_quiet:quiet(), lane()) ->
          no_return().
flushed(Next, Frames, Lent, Outbox, Quiet, Lane) ->
    Awaited = case gosocket_outbox:count(Outbox) of
                  0 -> request;
                  _ -> answer
              end,
    Flushed = gosocket_outbox:flush(Outbox),
    case gosocket_quiet:rounds(Awaited, Quiet) of
        {0, Quiet1} -> loop(Next, Frames, Lent, Flushed, Quiet1, Lane);
        {Rounds, Quiet1} -> spin(Rounds, Awaited, Next, Frames, Lent, Flushed, Quiet1, Lane)
    end.

-spec spin(non_neg_integer(), gosocket_quiet:awaited(), non_neg_integer(), pos_integer(), non_neg_integer(),
           gosocket_outbox:outbox(), gosocket_quiet:quiet(), lane()) -> no_return().
spin(0, Awaited, Next, Frames, Lent, Outbox, Quiet, Lane) ->
    loop(Next, Frames, Lent, Outbox, gosocket_quiet:missed(Awaited, Quiet), Lane);
spin(Rounds, Awaited, Next, Frames, Lent, Outbox, Quiet, Lane) ->
    receive
        Message -> handle(Message, Next, Frames, Lent, Outbox, gosocket_quiet:found(Awaited, Quiet), Lane)
    after 0 ->
        erlang:bump_reductions(4000),
        erlang:yield(),
        spin(Rounds - 1, Awaited, Next, Frames, Lent, Outbox, Quiet, Lane)
    end.

-spec handle(Message :: term(), non_neg_integer(), pos_integer(), non_neg_integer(), gosocket_outbox:outbox(),
             gosocket_quiet:quiet(), lane()) -> no_return().
handle([Entry | Item], Next, Frames, Lent, Outbox, Quiet, #lane{node = Node, ticking = true, loading = none} = Lane)
  when Node =:= node() ->
    called(Entry, Item, Next, Frames, Lent, Outbox, Quiet, Lane);
handle({Port, {data, Frame}}, Next, Frames, Lent, Outbox, Quiet, #lane{port = Port} = Lane) ->
    frame(Frame, Next, Frames, Lent, Outbox, Quiet, Lane);
handle({chunk, Item}, Next, Frames, Lent, Outbox, Quiet, Lane) ->
    drain(Next, Frames, Lent, gosocket_outbox:payload(Item, Outbox), Quiet, Lane);
handle([Entry | Item], Next, Frames, Lent, Outbox, Quiet, #lane{node = Node} = Lane) when Node =:= node() ->
    gosocket_lane_life:tell_leave(element(1, Entry), element(2, Entry), Lane),
    called(Entry, Item, Next, Frames, Lent, Outbox, Quiet, gosocket_lane_life:ticking(Lane));
handle(Message, Next, Frames, Lent, Outbox, Quiet, Lane) ->
    rare(Message, {Next, Frames, Lent, Outbox, Quiet, Lane}).

%% ---- Requests

%% There may be a copy of what the call is to get.
-spec called(kept(), gosocket_term:item(), non_neg_integer(), pos_integer(), non_neg_integer(), gosocket_outbox:outbox(),
             gosocket_quiet:quiet(), lane()) -> no_return().
called(Entry, Item, Next, Frames, Lent, Outbox, Quiet, #lane{ahead = false} = Lane) ->
    request(Entry, Item, Next, Frames, Lent, Outbox, Quiet, Lane);
called(Entry, Item, Next, Frames, Lent, Outbox, Quiet, Lane) when element(3, Entry) =:= write ->
    %% later calls would go ahead of payload that waits for the helper
    case gosocket_outbox:has_room(Outbox) of
        true -> looked_at(Entry, Item, free(Next), Frames, Lent, Outbox, Quiet, Lane);
        false -> request(Entry, Item, Next, Frames, Lent, Outbox, Quiet, Lane)
    end;
called(Entry, Item, Next, Frames, Lent, Outbox, Quiet, Lane) ->
    looked_at(Entry, Item, free(Next), Frames, Lent, Outbox, Quiet, Lane).

-spec looked_at(kept(), gosocket_term:item(), non_neg_integer(), pos_integer(), non_neg_integer(), gosocket_outbox:outbox(),
                gosocket_quiet:quiet(), lane()) -> no_return().
looked_at(Kept, Item, Id, Frames, Lent, Outbox, Quiet, Lane) ->
    Entry = gosocket_request:entry(Kept),
    case gosocket_ahead:request(Entry, Item, Id) of
        ask -> request(Kept, Item, Id, Frames, Lent, Outbox, Quiet, Lane);
        {tell, Took} -> request(Kept, Item, Id, Frames, Lent, gosocket_outbox:control(Took, Outbox), Quiet, Lane);
        {hand_over, Sent} -> handed_over(Entry, Sent, Id, Frames, Lent, Outbox, Quiet, Lane);
        {give, Data, none} -> given(Entry, Data, Id, Frames, Lent, gosocket_outbox:passed(Outbox), Quiet, Lane);
        {give, Data, Took} -> given(Entry, Data, Id, Frames, Lent, gosocket_outbox:patient(control, Took, Outbox), Quiet, Lane)
    end.

-spec handed_over(entry(), gosocket_term:item(), non_neg_integer(), pos_integer(), non_neg_integer(),
                  gosocket_outbox:outbox(), gosocket_quiet:quiet(), lane()) -> no_return().
handed_over({Pid, Tag, _, Ref, _} = Entry, Sent, Next, Frames, Lent, Outbox, Quiet, #lane{selects = Selects} = Lane) ->
    Outbox1 = gosocket_outbox:patient(payload, Sent, Outbox),
    case Ref =:= [] andalso gosocket_selects:is_empty(Selects) of
        true ->
            Pid ! {Tag, ok},
            drain(Next, Frames, Lent, Outbox1, Quiet, Lane);
        false ->
            {sent, Settled} = gosocket_lane_route:answer(Entry, <<?ANSWER(Next), ?OK>>, Frames, Lane),
            drain(Next, Frames, Lent, Outbox1, Quiet, Settled)
    end.

-spec free(non_neg_integer()) -> non_neg_integer().
free(Next) ->
    case get(Next) of
        undefined -> Next;
        _ -> free((Next + 1) band ?LAST_ID)
    end.

-spec given(entry(), binary(), non_neg_integer(), pos_integer(), non_neg_integer(), gosocket_outbox:outbox(),
            gosocket_quiet:quiet(), lane()) -> no_return().
given({Pid, Tag, _, [], _} = Entry, Data, Next, Frames, Lent, Outbox, Quiet, #lane{selects = Selects} = Lane) ->
    case gosocket_selects:is_empty(Selects) of
        true ->
            Pid ! {Tag, {part, Data}},
            drain(Next, Frames, Lent, Outbox, Quiet, Lane);
        false ->
            drain(Next, Frames, Lent, Outbox, Quiet, gosocket_lane_route:give(Entry, Data, Lane))
    end;
given(Entry, Data, Next, Frames, Lent, Outbox, Quiet, Lane) ->
    drain(Next, Frames, Lent, Outbox, Quiet, gosocket_lane_route:give(Entry, Data, Lane)).

%% Ids come round again, calls may wait for ever.
-spec request(kept(), gosocket_term:item(), non_neg_integer(), pos_integer(), non_neg_integer(), gosocket_outbox:outbox(),
              gosocket_quiet:quiet(), lane()) -> no_return().
request(Entry, Item, Next, Frames, Lent, Outbox, Quiet, Lane) ->
    case put(Next, Entry) of
        undefined ->
            case gosocket_outbox:request(Next, Item, Outbox) of
                too_large ->
                    erase(Next),
                    element(1, Entry) ! {element(2, Entry), {failed, emsgsize}},
                    drain(Next, Frames, Lent, Outbox, Quiet, Lane);
                Outbox1 ->
                    drain((Next + 1) band ?LAST_ID, Frames, Lent, Outbox1,
                          gosocket_quiet:note(element(1, Entry), gosocket_outbox:count(Outbox), Quiet), Lane)
            end;
        Waiting ->
            put(Next, Waiting),
            request(Entry, Item, (Next + 1) band ?LAST_ID, Frames, Lent, Outbox, Quiet, Lane)
    end.

%% ---- Frames of the helper

-spec frame(binary(), non_neg_integer(), pos_integer(), non_neg_integer(), gosocket_outbox:outbox(), gosocket_quiet:quiet(),
            lane()) -> no_return().
frame(<<131, 108, _Count:32, Elements/binary>>, Next, Frames, Lent, Outbox, Quiet, Lane) ->
    elements(Elements, Next, Frames, Lent, Outbox, Quiet, Lane);
frame(Frame, Next, Frames, Lent, Outbox, Quiet, Lane) ->
    element(Frame, <<106>>, Next, Frames + 1, Lent, Outbox, Quiet, Lane).

%% Those of a batch count as frames. The answers of every day are taken apart here: nothing of the batch becomes a term
%% but the data. Who is dead gets none. The question comes before the sending: a process that has got its message may
%% have ended by the time that it could be asked, and what it took must not be given to another as well.
-spec elements(binary(), non_neg_integer(), pos_integer(), non_neg_integer(), gosocket_outbox:outbox(),
               gosocket_quiet:quiet(), lane()) -> no_return().
elements(<<109, _:32, ?ANSWER(Id), ?OK, Rest/binary>>, Next, Frames, Lent, Outbox, Quiet, #lane{selects = Selects} = Lane) ->
    case erase(Id) of
        {Pid, Tag, write, Socket} ->
            case gosocket_selects:is_empty(Selects) of
                true ->
                    Pid ! {Tag, ok},
                    elements(Rest, Next, Frames + 1, Lent, Outbox, Quiet, Lane);
                false ->
                    answered({Pid, Tag, write, [], Socket}, <<?ANSWER(Id), ?OK>>, Rest, Next, Frames + 1, Lent, Outbox, Quiet, Lane)
            end;
        Entry ->
            answered(Entry, <<?ANSWER(Id), ?OK>>, Rest, Next, Frames + 1, Lent, Outbox, Quiet, Lane)
    end;
elements(<<109, _:32, ?ANSWER(Id), ?OK_HEAD, 109, Size:32, Data:Size/binary, Rest/binary>>,
         Next, Frames, Lent, Outbox, Quiet, #lane{selects = Selects} = Lane) ->
    case erase(Id) of
        {Pid, Tag, _} = Entry ->
            case gosocket_selects:is_empty(Selects) andalso is_process_alive(Pid) of
                true ->
                    Pid ! {Tag, {ok, Data}},
                    elements(Rest, Next, Frames + 1, Lent + 1, Outbox, Quiet, Lane);
                false ->
                    answered(Entry, <<?ANSWER(Id), ?OK_HEAD, 109, Size:32, Data/binary>>, Rest,
                             Next, Frames + 1, Lent, Outbox, Quiet, Lane)
            end;
        Entry ->
            answered(Entry, <<?ANSWER(Id), ?OK_HEAD, 109, Size:32, Data/binary>>, Rest,
                     Next, Frames + 1, Lent, Outbox, Quiet, Lane)
    end;
elements(<<109, Size:32, Frame:Size/binary, Rest/binary>>, Next, Frames, Lent, Outbox, Quiet, Lane) ->
    element(Frame, Rest, Next, Frames + 1, Lent, Outbox, Quiet, Lane);
elements(<<106>>, Next, Frames, Lent, Outbox, Quiet, Lane) ->
    drain(Next, Frames, Lent, Outbox, Quiet, Lane).

%% One frame, or one element of a batch.
-spec element(binary(), binary(), non_neg_integer(), pos_integer(), non_neg_integer(), gosocket_outbox:outbox(),
              gosocket_quiet:quiet(), lane()) -> no_return().
element(<<?ANSWER(Id), _/binary>> = Frame, Rest, Next, Frames, Lent, Outbox, Quiet, Lane) ->
    answered(erase(Id), Frame, Rest, Next, Frames, Lent, Outbox, Quiet, Lane);
element(<<131, 104, 3, 119, 4, "more", 98, Id:32, _/binary>> = Frame, Rest, Next, Frames, Lent, Outbox, Quiet, Lane) ->
    case get(Id) of
        undefined ->
            elements(Rest, Next, Frames, Lent, Outbox, Quiet, Lane);
        Kept ->
            {_, _, _, _, Socket} = Entry = gosocket_request:entry(Kept),
            routed(gosocket_lane_route:forward(Entry, Frame, Frames, Lane), Socket, Frame,
                   Rest, Next, Frames, Lent, Outbox, Quiet)
    end;
element(<<131, 104, 5, 119, 5, "ahead", 98, Id:32, Copy/binary>>, Rest, Next, Frames, Lent, Outbox, Quiet, Lane) ->
    case gosocket_ahead:arrived(Id, Copy) of
        none -> elements(Rest, Next, Frames, Lent, Outbox, Quiet, Lane);
        Took -> elements(Rest, Next, Frames, Lent, gosocket_outbox:control(Took, Outbox), Quiet, Lane#lane{ahead = true})
    end;
element(<<131, 104, 4, 119, 4, "want", 98, Id:32, _/binary>> = Frame, Rest, Next, Frames, Lent, Outbox, Quiet, Lane) ->
    _ = case get(Id) of
            undefined -> ok;
            Entry -> element(1, Entry) ! {element(2, Entry), Frame}
        end,
    elements(Rest, Next, Frames, Lent, Outbox, Quiet, Lane);
element(Frame, Rest, Next, Frames, Lent, Outbox, Quiet, Lane) ->
    event(binary_to_term(Frame), Rest, {Next, Frames, Lent, Outbox, Quiet, Lane}).

-spec answered(kept() | undefined, binary(), binary(), non_neg_integer(), pos_integer(), non_neg_integer(),
               gosocket_outbox:outbox(), gosocket_quiet:quiet(), lane()) -> no_return().
answered({Pid, Tag, plain, _, _}, Frame, Rest, Next, Frames, Lent, Outbox, Quiet, Lane) ->
    Pid ! {Tag, Frame},
    elements(Rest, Next, Frames, Lent, Outbox, Quiet, Lane);
answered({_, _, _, _, Socket} = Entry, Frame, Rest, Next, Frames, Lent, Outbox, Quiet, Lane) ->
    routed(gosocket_lane_route:answer(Entry, Frame, Frames, Lane), Socket, Frame, Rest, Next, Frames, Lent, Outbox, Quiet);
answered(undefined, _Frame, Rest, Next, Frames, Lent, Outbox, Quiet, Lane) ->
    elements(Rest, Next, Frames, Lent, Outbox, Quiet, Lane);
answered(Short, Frame, Rest, Next, Frames, Lent, Outbox, Quiet, Lane) ->
    answered(gosocket_request:entry(Short), Frame, Rest, Next, Frames, Lent, Outbox, Quiet, Lane).

%% What became of an answer.
-spec routed({sent | lent | handback, lane()}, non_neg_integer() | boolean(), binary(), binary(), non_neg_integer(), pos_integer(),
             non_neg_integer(), gosocket_outbox:outbox(), gosocket_quiet:quiet()) -> no_return().
routed({sent, Lane}, _Socket, _Frame, Rest, Next, Frames, Lent, Outbox, Quiet) ->
    elements(Rest, Next, Frames, Lent, Outbox, Quiet, Lane);
routed({lent, Lane}, _Socket, _Frame, Rest, Next, Frames, Lent, Outbox, Quiet) ->
    elements(Rest, Next, Frames, Lent + 1, Outbox, Quiet, Lane);
routed({handback, Lane}, Socket, Frame, Rest, Next, Frames, Lent, Outbox, Quiet) ->
    gosocket_ahead:upset(Socket),
    elements(Rest, Next, Frames, Lent + 1, gosocket_outbox:tell([{handback, Socket, Frame}], Outbox), Quiet, Lane).

-spec event(Event :: tuple(), Rest :: binary(), path()) -> no_return().
event({credit, Socket, Bytes}, Rest, {Next, Frames, Lent, Outbox, Quiet, Lane}) ->
    gosocket_ahead:credit(Socket, Bytes),
    elements(Rest, Next, Frames, Lent, Outbox, Quiet, Lane#lane{ahead = true});
event({sent, Socket, Bytes}, Rest, {Next, Frames, Lent, Outbox, Quiet, Lane}) ->
    gosocket_ahead:sent(Socket, Bytes),
    elements(Rest, Next, Frames, Lent, Outbox, Quiet, Lane);
event({consumed, Bytes}, Rest, {Next, Frames, Lent, Outbox, Quiet, Lane}) ->
    elements(Rest, Next, Frames, Lent, gosocket_outbox:consumed(Bytes, Outbox), Quiet, Lane);
event({confirm, _Frame}, Rest, {Next, Frames, _Lent, Outbox, Quiet, Lane}) ->
    elements(Rest, Next, Frames, 0, deliver(Frames, Outbox), Quiet, Lane);
event(Event, Rest, {Next, Frames, Lent, Outbox, Quiet, Lane}) ->
    elements(Rest, Next, Frames, Lent, Outbox, Quiet, gosocket_lane_route:event(Event, Lane)).

%% ---- What is told besides requests

%% Frames are handed over as they come: all of them are delivered.
-spec deliver(pos_integer(), gosocket_outbox:outbox()) -> gosocket_outbox:outbox().
deliver(Frames, Outbox) ->
    gosocket_outbox:tell([{delivered, Frames}], Outbox).

%% What a dead process has had is delivered: an accepted connection would go to the next acceptor otherwise.
-spec told({[tuple()], lane()}, path()) -> no_return().
told({[], Lane}, {Next, Frames, Lent, Outbox, Quiet, _}) ->
    drain(Next, Frames, Lent, Outbox, Quiet, Lane);
told(Told, {Next, Frames, Lent, Outbox, Quiet, Lane}) when Lent > 0 ->
    told(Told, {Next, Frames, 0, deliver(Frames, Outbox), Quiet, Lane});
told({Items, Lane}, {Next, Frames, Lent, Outbox, Quiet, _}) ->
    drain(Next, Frames, Lent, gosocket_outbox:tell(gosocket_ahead:told() ++ Items, Outbox), Quiet, Lane).

%% ---- Everything else

-spec rare(Message :: term(), path()) -> no_return().
rare(_Message, {_, _, _, _, _, #lane{node = Node} = Lane}) when Node =/= node() ->
    %% the helper knows processes by what their pids were before, and could tell of none
    gosocket_lane_life:gone(renamed, Lane);
rare({Port, {exit_status, Status}}, {_, _, _, _, _, #lane{port = Port} = Lane}) ->
    gosocket_lane_life:gone({exit_status, Status}, Lane);
rare({'EXIT', Port, Reason}, {_, _, _, _, _, #lane{port = Port} = Lane}) ->
    gosocket_lane_life:gone(Reason, Lane);
rare({'DOWN', _Monitor, process, Guardian, _}, {_, _, _, _, _, #lane{guardian = Guardian} = Lane}) ->
    gosocket_lane_life:unguarded(Lane);
rare({unguarded, Guardian}, {_, _, _, _, _, #lane{guardian = Guardian} = Lane}) ->
    gosocket_lane_life:unguarded(Lane);
rare({'EXIT', Parent, Reason}, {_, _, _, _, _, #lane{parent = Parent} = Lane}) ->
    gosocket_lane_life:ended(Reason, Lane);
rare({tell, Item}, {_, _, _, _, _, Lane} = Path) ->
    told({gosocket_ahead:forget_all() ++ [Item], Lane}, Path);
rare({ask, Pid, Tag, statistics}, {Next, _, _, _, _, #lane{home = Home} = Lane} = Path) ->
    Pid ! {Tag, gosocket_metrics:of_lane(Next, gosocket_lane_life:waiting(), Home)},
    told({[], Lane}, Path);
rare({timeout, _Timer, took}, {_, _, _, _, _, Lane} = Path) ->
    told({gosocket_ahead:report(), Lane}, Path);
rare({timeout, _Timer, copies}, {_, _, _, _, _, Lane} = Path) ->
    told({gosocket_ahead:expire(), Lane}, Path);
rare({timeout, _Timer, tick}, {_, Frames, _, _, _, Lane} = Path) ->
    told(gosocket_lane_life:tick(Frames, Lane), Path);
rare({system, From, Request}, {Next, Frames, Lent, Outbox, Quiet, #lane{parent = Parent} = Lane}) ->
    sys:handle_system_msg(Request, From, Parent, gosocket_lane_sys, [],
                          {Next, Frames, Lent, gosocket_outbox:flush(Outbox), Quiet, Lane});
rare({reload, Module, Loading}, {Next, Frames, Lent, Outbox, Quiet, Lane}) when Module =/= gosocket_wait ->
    gosocket_reload:leave(Loading, {?MODULE, resume, [{Next, Frames, Lent, gosocket_outbox:flush(Outbox), Quiet, Lane}]});
rare(Message, {_, _, _, _, _, Lane} = Path) ->
    told(gosocket_lane_life:message(Message, Lane), Path).
