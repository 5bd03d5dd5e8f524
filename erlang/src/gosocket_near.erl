%% @private
%% @doc What a process has noted down of itself, in its dictionary: the integer that stands for its pid in requests
%% (`process' in docs/protocol.md), and the socket that it called last, with the requests that it made of it, which are mostly the
%% same again. The words of the handle would tell the rest, each of them from memory that nobody else looks at.
-module(gosocket_near).

-export([find/1,
         find_handle/1,
         recv_item/2,
         send_item/2,
         process/1]).

-include("gosocket.hrl").
-include("gosocket_near.hrl").

-define(KEY, '$gosocket_process').

-type near() :: #near{}.

-export_type([near/0]).

%% On the way of each call.
-compile({inline, [another/2, put_near/1]}).

%% Improper on purpose, as the items of gosocket_request.
-dialyzer({no_improper_lists, [send_item/2]}).

-include("gosocket_reload.hrl").

%% @doc Nothing for handles of other nodes and of lanes that are gone or that nobody is to call just now, nor for what is no socket. Whether
%% the lane still runs is another question. What somebody copied from the dictionary of another process is not taken.
-spec find(Socket :: term()) -> near() | none.
find(Socket) ->
    Self = self(),
    case get(?KEY) of
        #near{self = Self, socket = Socket} = Near -> Near;
        Near -> look(Socket, Self, Near)
    end.

-spec look(Socket :: term(), pid(), near() | term()) -> near() | none.
look({'$socket', Handle} = Socket, Self, #near{self = Self} = Near) when is_reference(Handle) -> another(Socket, Near);
look({'$socket', Handle} = Socket, Self, _) when is_reference(Handle) -> note(Socket, Self, process(Self));
look(_, _, _) -> none.

%% @doc The same by the reference in a socket.
-spec find_handle(gosocket_handle:handle()) -> near() | none.
find_handle(Handle) ->
    Self = self(),
    case get(?KEY) of
        #near{self = Self, socket = {_, Handle}} = Near -> Near;
        _ -> find({'$socket', Handle})
    end.

%% Most are of the same lane.
-spec another({'$socket', gosocket_handle:handle()}, near()) -> near() | none.
another({_, Handle} = Socket, #near{self = Self, target = {Lane, _}, process = Process, place = Place} = Near) ->
    case gosocket_handle:place(Handle) of
        {Place, Number} ->
            put_near(Near#near{socket = Socket, target = {Lane, Number}, length = none, recv = none, size = none, send = none});
        {remote, _} ->
            none;
        _ ->
            note(Socket, Self, Process)
    end.

-spec note({'$socket', gosocket_handle:handle()}, pid(), Process :: binary()) -> near() | none.
note({_, Handle} = Socket, Self, Process) ->
    case gosocket_handle:find(Handle) of
        {Lane, none, #gosocket_lane{words = Words} = Known, Number} ->
            {Place, _} = gosocket_handle:place(Handle),
            put_near(#near{self = Self, socket = Socket, door = gosocket_door:key(gosocket_handle:number(Place)),
                           target = {Lane, Number}, window = atomics:get(Words, ?WINDOW_WORD),
                           process = Process, place = Place, known = Known});
        _ ->
            none
    end.

-spec put_near(near()) -> near().
put_near(Near) ->
    put(?KEY, Near),
    Near.

%% @doc A receive without flags and time-out. The first one after another socket is what the next are like.
-spec recv_item(near(), Length :: non_neg_integer()) -> gosocket_term:item().
recv_item(#near{length = Length, recv = Item}, Length) ->
    Item;
recv_item(#near{length = none} = Near, Length) ->
    Item = gosocket_request:recv(subject(Near), Length),
    _ = put_near(Near#near{length = Length, recv = Item}),
    Item;
recv_item(Near, Length) ->
    gosocket_request:recv(subject(Near), Length).

%% @doc A send without flags and time-out.
-spec send_item(near(), Payload :: binary()) -> gosocket_term:item().
send_item(#near{size = Size, send = Head}, Payload) when byte_size(Payload) =:= Size ->
    [Head | Payload];
send_item(#near{size = none, window = Window} = Near, Payload) when byte_size(Payload) =< Window ->
    [Head | _] = Item = gosocket_request:send(subject(Near), byte_size(Payload), Payload),
    _ = put_near(Near#near{size = byte_size(Payload), send = Head}),
    Item;
send_item(#near{window = Window} = Near, Payload) ->
    gosocket_request:send(subject(Near), byte_size(Payload), gosocket_wait:first(Payload, Window)).

-spec subject(near()) -> binary().
subject(#near{target = {_, Number}, process = Process}) ->
    <<(gosocket_term:item(Number))/binary, Process/binary>>.

%% @doc The integer that stands for a pid, as requests have it.
-spec process(pid()) -> binary().
process(Self) ->
    Pid = term_to_binary(Self),
    <<_Node:(byte_size(Pid) - 12)/binary, Numbers:64, _Creation:32>> = Pid,
    gosocket_term:item(Numbers).
