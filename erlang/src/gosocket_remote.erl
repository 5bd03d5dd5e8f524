%% @private
%% @doc All that this node's processes have under way at one other node. To them it is what the lane is to
%% local callers: it takes calls, answers them, and when the other node is gone it ends, which their
%% monitors and the guardian make the end of calls and selects.
%%
%% It also says for the other node whether a result has reached a live process: nobody else can.
-module(gosocket_remote).

-behaviour(gen_server).

-export([start_link/1]).

-export([init/1,
         handle_call/3,
         handle_continue/2,
         handle_cast/2,
         handle_info/2]).

-include("gosocket.hrl").

%% Messages and bytes that may stay unconfirmed when nobody is known to wait for it.
-define(LAZY_COUNT, 64).
-define(LAZY_BYTES, (256 bsl 10)).

%% After one to two of these without a call the session at the other node ends.
-define(IDLE, 30000).

-record(remote,
        {node :: node(),
         guardian :: pid(),
         session = none :: none | session(),
         %% calls that came before the session, last first
         early = [] :: [tuple()],
         calls = #{} :: #{Tag :: reference() => call()},
         %% processes that have called, with their last call
         callers = #{} :: #{pid() => {Monitor :: reference(), Tag :: reference()}},
         selects :: gosocket_selects:selects(),
         received = 0 :: non_neg_integer(),
         owed = 0 :: non_neg_integer(),
         owed_bytes = 0 :: non_neg_integer(),
         %% which of them reached nobody, last first: another may wait for what they were to have
         lost = [] :: [pos_integer()],
         active = true :: boolean(),
         loading = none :: gosocket_reload:loading() | none}).

%% The other end is the door, then the proxy.
-type session() :: {attaching | attached | detaching, Other :: pid() | {gosocket_nodes, node()}, Monitor :: reference()}.
-type call() :: {pid(), gosocket_wait:class(), Ref :: reference() | [], gosocket_handle:handle()}.
-type state() :: #remote{}.
-type next() :: {noreply, state()} | {noreply, state(), 0} | {stop, {shutdown, term()}, state()}.

-spec start_link(node()) -> {ok, pid()}.
start_link(Node) ->
    {ok, _} = gen_server:start_link(?MODULE, Node, []).

-spec init(node()) -> {ok, state(), {continue, watch}}.
init(Node) ->
    {Guardian, Table} = gosocket_guardian:enroll(),
    erlang:start_timer(?IDLE, self(), idle),
    {ok, #remote{node = Node, guardian = Guardian, selects = gosocket_selects:new(Table)}, {continue, watch}}.

%% The end of the connection is the end, with a session or without. This may have to connect first. A node that takes
%% no part in distribution may still have the handle of another, as it may have any term.
-spec handle_continue(watch, state()) -> {noreply, state()} | {stop, {shutdown, closed}, state()}.
handle_continue(watch, #remote{node = Node} = Remote) ->
    try
        monitor_node(Node, true),
        {noreply, Remote}
    catch
        error:notalive -> {stop, {shutdown, closed}, Remote}
    end.

-spec handle_call(term(), {pid(), term()}, state()) -> {noreply, state()}.
handle_call(_Request, _From, Remote) ->
    {noreply, Remote}.

-spec handle_cast(term(), state()) -> {noreply, state()}.
handle_cast(_Request, Remote) ->
    {noreply, Remote}.

-spec handle_info(term(), state()) -> next().
handle_info({call, {Pid, Tag, Class, Ref, Handle}, Call, Payload}, Remote) ->
    next(called({Pid, Tag, Class, Ref, Handle}, Call, Payload, Remote));
handle_info({answer, Tag, Answer}, #remote{calls = Calls} = Remote) ->
    next(answered(Calls, Tag, Answer, received(bytes(Answer), Remote)));
handle_info({message, Pid, Message}, Remote) ->
    next(message(Pid, Message, received(0, Remote)));
handle_info({chunk, Tag, Id, Offset, Data}, Remote) ->
    tell({chunk, Tag, Id, Offset, Data}, Remote),
    next(Remote);
handle_info(timeout, Remote) ->
    {noreply, confirm(Remote)};
handle_info({'DOWN', _, process, Pid, _}, #remote{callers = Callers} = Remote) when is_map_key(Pid, Callers) ->
    next(died(Pid, Remote));
handle_info({attached, Proxy}, #remote{session = {attaching, _, Monitor}, early = Early} = Remote) ->
    demonitor(Monitor, [flush]),
    Attached = Remote#remote{session = {attached, Proxy, monitor(process, Proxy)}, early = [], received = 0},
    lists:foreach(fun(Message) -> tell(Message, Attached) end, lists:reverse(Early)),
    next(Attached);
handle_info({timeout, _Timer, idle}, Remote) ->
    erlang:start_timer(?IDLE, self(), idle),
    next(idle(Remote));
handle_info({timeout, _Timer, {loaded, Loading}}, #remote{loading = Last} = Remote) ->
    next(Remote#remote{loading = gosocket_reload:again(Loading, Last)});
handle_info({reload, gosocket_wait, Loading}, Remote) ->
    next(reload(Loading, Remote));
handle_info({'DOWN', Monitor, process, _, {shutdown, detached}}, #remote{session = {detaching, _, Monitor}} = Remote) ->
    next(detached(Remote));
handle_info({'DOWN', Monitor, process, _, _}, #remote{session = {_, _, Monitor}} = Remote) ->
    {stop, {shutdown, closed}, Remote};
handle_info({'DOWN', _, process, Guardian, _}, #remote{guardian = Guardian} = Remote) ->
    unguarded(Remote);
handle_info({unguarded, _}, Remote) ->
    unguarded(Remote);
handle_info({nodedown, _Node}, Remote) ->
    {stop, {shutdown, closed}, Remote};
handle_info({refused, Version}, Remote) ->
    logger:warning("gosocket: ~tp is of another release: its sessions have version ~tp, here ~tp",
                   [Remote#remote.node, Version, ?SESSION_VERSION]),
    {stop, {shutdown, closed}, Remote};
handle_info(_Other, Remote) ->
    next(Remote).

-spec next(state()) -> next().
next(#remote{owed = Owed, owed_bytes = Bytes} = Remote) when Owed >= ?LAZY_COUNT; Bytes >= ?LAZY_BYTES ->
    {noreply, confirm(Remote)};
next(#remote{lost = [_ | _]} = Remote) ->
    {noreply, Remote, 0};
next(Remote) ->
    {noreply, Remote}.

%% The guardian has ended, or it or the door says that it is about to.
-spec unguarded(state()) -> {stop, {shutdown, closed}, state()}.
unguarded(#remote{selects = Selects} = Remote) ->
    gosocket_selects:abort_all(Selects),
    {stop, {shutdown, closed}, Remote}.

%% ---- Calls

-spec called({pid(), reference(), gosocket_wait:class(), reference() | [], gosocket_handle:handle()},
             gosocket_wait:call(), binary() | none, state()) -> state().
called({Pid, Tag, Class, Ref, Handle}, Call, Payload, #remote{calls = Calls} = Remote) ->
    tell_leave(Pid, Tag, Remote),
    Sent = request({call, Tag, Pid, Class, Ref, Handle, Call, Payload}, Remote),
    Sent#remote{calls = Calls#{Tag => {Pid, Class, Ref, Handle}},
                callers = watch(Pid, Tag, Remote#remote.callers),
                active = true}.

-spec watch(pid(), reference(), Callers) -> Callers when
      Callers :: #{pid() => {reference(), reference()}}.
watch(Pid, Tag, Callers) ->
    case Callers of
        #{Pid := {Monitor, _}} -> Callers#{Pid := {Monitor, Tag}};
        _ -> Callers#{Pid => {monitor(process, Pid), Tag}}
    end.

-spec request(tuple(), state()) -> state().
request(Request, #remote{session = {attached, _, _}} = Remote) ->
    tell(Request, Remote),
    Remote;
request(Request, #remote{session = none} = Remote) ->
    attach(Remote#remote{early = [Request]});
request(Request, #remote{early = Early} = Remote) ->
    Remote#remote{early = [Request | Early]}.

-spec attach(state()) -> state().
attach(#remote{node = Node} = Remote) ->
    Door = {gosocket_nodes, Node},
    Monitor = monitor(process, Door),
    Door ! {attach, self(), ?SESSION_VERSION},
    Remote#remote{session = {attaching, Door, Monitor}}.

%% Here it is right to be suspended when the other node does not read: only its own callers wait. Nor would a new
%% connection be that of the session.
-spec tell(tuple(), state()) -> ok.
tell(Message, #remote{session = {attached, Proxy, _}}) ->
    _ = erlang:send(Proxy, timed(Message), [noconnect]),
    ok;
tell(_Message, _Remote) ->
    ok.

%% The clock of another node is another.
-spec timed(tuple()) -> tuple().
timed({call, Tag, Pid, Class, Ref, Handle, Call, Payload}) ->
    {call, Tag, Pid, Class, Ref, Handle, gosocket_clock:leaving(Call), Payload};
timed(Message) ->
    Message.

%% ---- Answers

-spec received(Bytes :: non_neg_integer(), state()) -> state().
received(Bytes, #remote{received = Received, owed = Owed, owed_bytes = OwedBytes} = Remote) ->
    Remote#remote{received = Received + 1, owed = Owed + 1, owed_bytes = OwedBytes + Bytes}.

-spec bytes(term()) -> non_neg_integer().
bytes(Frame) when is_binary(Frame) -> byte_size(Frame);
bytes(_) -> 0.

%% Once handed to a live process a result is the caller's. The question comes first, as in the lane.
-spec answered(#{reference() => call()}, reference(), Answer :: term(), state()) -> state().
answered(Calls, Tag, Answer, Remote) ->
    case Calls of
        #{Tag := {Pid, Class, _, _} = Call} ->
            case is_process_alive(Pid) of
                true ->
                    #remote{selects = Selects} = Told = tell_arrived(Class, settle(Call, Answer, Remote)),
                    Told#remote{selects = gosocket_selects:send(Pid, {Tag, Answer}, Selects),
                                calls = case gosocket_term:is_final(Answer) of
                                            true -> maps:remove(Tag, Calls);
                                            false -> Calls
                                        end};
                false ->
                    lost(Remote)
            end;
        _ ->
            lost(Remote)
    end.

-spec lost(state()) -> state().
lost(#remote{received = Received, lost = Lost} = Remote) ->
    Remote#remote{lost = [Received | Lost]}.

%% The next reader may wait to hear of it. It leaves before the receiver can have the result, and end: of that its socket's node would
%% hear first otherwise, and give what it took to another.
-spec tell_arrived(gosocket_wait:class(), state()) -> state().
tell_arrived(Class, Remote) when Class =:= read; Class =:= accept -> confirm(Remote);
tell_arrived(_Class, Remote) -> Remote.

-spec settle(call(), Answer :: term(), state()) -> state().
settle({_, plain, _, _}, _Answer, Remote) ->
    Remote;
settle({_, _, Ref, Handle} = Call, <<?ANSWER(_), _/binary>> = Answer, #remote{selects = Selects} = Remote) ->
    case Ref =:= [] andalso gosocket_selects:is_empty(Selects) of
        true -> Remote;
        false -> Remote#remote{selects = gosocket_selects:settle(Call, Handle, Answer, Selects)}
    end;
settle({_, accept, _, _} = Call, {ok, _Socket}, Remote) ->
    settle(Call, <<?ANSWER(0), ?OK>>, Remote);
settle(_Call, _Answer, Remote) ->
    Remote.

%% A select that an earlier session has armed may still fire: its end has been told already.
-spec message(pid(), tuple(), state()) -> state().
message(Pid, {'$socket', _, _, Info} = Message, #remote{selects = Selects} = Remote) ->
    Ref = case Info of
              {Aborted, _Reason} -> Aborted;
              Selected -> Selected
          end,
    case gosocket_selects:is_armed(Ref, Selects) of
        true ->
            Remote#remote{selects = gosocket_selects:fire(Ref, Pid, Message, Selects)};
        false ->
            Remote
    end.

-spec died(pid(), state()) -> state().
died(Pid, #remote{calls = Calls, callers = Callers, selects = Selects} = Remote) ->
    {{_, Tag}, Others} = maps:take(Pid, Callers),
    Remote#remote{calls = maps:remove(Tag, Calls),
                  callers = Others,
                  selects = gosocket_selects:dead(Pid, Selects)}.

%% How many messages have come in this session, and which of them reached nobody.
-spec confirm(state()) -> state().
confirm(#remote{received = Received, lost = Lost} = Remote) ->
    tell({arrived, Received, lists:reverse(Lost)}, Remote),
    Remote#remote{owed = 0, owed_bytes = 0, lost = []}.

%% ---- Idle, reload

-spec idle(state()) -> state().
idle(#remote{active = true} = Remote) ->
    Remote#remote{active = false};
idle(#remote{session = {attached, Proxy, Monitor}, calls = Calls, callers = Callers, selects = Selects} = Remote)
  when map_size(Calls) =:= 0 ->
    case gosocket_selects:is_empty(Selects) of
        true ->
            Confirmed = confirm(Remote),
            tell({detach}, Confirmed),
            lists:foreach(fun({Watch, _}) -> demonitor(Watch, [flush]) end, maps:values(Callers)),
            Confirmed#remote{session = {detaching, Proxy, Monitor}, callers = #{}};
        false ->
            Remote
    end;
idle(Remote) ->
    Remote.

%% Whatever the proxy has sent came before its end: nothing of one session is counted in the next.
-spec detached(state()) -> state().
detached(#remote{early = []} = Remote) -> Remote#remote{session = none};
detached(Remote) -> attach(Remote).

%% See gosocket_reload: callers wait in code of gosocket_wait.
-spec reload(gosocket_reload:loading(), state()) -> state().
reload(Loading, #remote{calls = Calls} = Remote) ->
    gosocket_reload:tell(Loading, [{Pid, Tag} || {Tag, {Pid, _, _, _}} <- maps:to_list(Calls)]),
    Remote#remote{loading = Loading}.

-spec tell_leave(pid(), reference(), state()) -> ok.
tell_leave(_Pid, _Tag, #remote{loading = none}) ->
    ok;
tell_leave(Pid, Tag, #remote{loading = Loading}) ->
    Pid ! {Tag, {leave, Loading}},
    ok.
